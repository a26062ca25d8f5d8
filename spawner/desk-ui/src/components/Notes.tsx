/** What a page says when there is nothing, nothing yet, or something wrong. */
import type { ReactNode } from 'react';
import { sentence } from '../api/client';
import { t } from '../strings';

/** An icon of Font Awesome, which the Hub's style sheet brings. Only ever beside words. */
export function Icon({ name }: { readonly name: string }) {
  return <i className={`fa fa-${name} fa-fw`} aria-hidden="true" />;
}

export function Loading({ what }: { readonly what: string }) {
  return (
    <p className="text-body-secondary py-4 text-center" role="status">
      <span className="spinner-border spinner-border-sm me-2" aria-hidden="true" />
      {what}
    </p>
  );
}

interface FailureProps {
  readonly error: unknown;
  readonly onRetry?: () => void;
}

export function Failure({ error, onRetry }: FailureProps) {
  return (
    <div className="alert alert-danger d-flex flex-wrap gap-2 align-items-center" role="alert">
      <span className="flex-grow-1">{sentence(error)}</span>
      {onRetry && (
        <button type="button" className="btn btn-sm btn-outline-danger" onClick={onRetry}>
          {t.tryAgain}
        </button>
      )}
    </div>
  );
}

interface EmptyProps {
  readonly icon: string;
  readonly title: string;
  readonly children?: ReactNode;
}

export function Empty({ icon, title, children }: EmptyProps) {
  return (
    <div className="gd-empty text-center py-5 px-3">
      <div className="fs-1 text-body-secondary mb-2">
        <Icon name={icon} />
      </div>
      <p className="fs-5 mb-2">{title}</p>
      {children}
    </div>
  );
}
