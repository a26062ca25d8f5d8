/** What a page shows while it loads, when something failed, and when there is nothing to show. */
import type { ReactNode } from 'react';
import { errorMessage } from '../api/client';
import { t } from '../strings';

/** An icon of Font Awesome, which the Hub's style sheet includes. Always shown beside a text. */
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

interface ErrorAlertProps {
  readonly error: unknown;
  readonly onRetry?: () => void;
}

export function ErrorAlert({ error, onRetry }: ErrorAlertProps) {
  return (
    <div className="alert alert-danger d-flex flex-wrap gap-2 align-items-center" role="alert">
      <span className="flex-grow-1">{errorMessage(error)}</span>
      {onRetry && (
        <button type="button" className="btn btn-sm btn-outline-danger" onClick={onRetry}>
          {t.tryAgain}
        </button>
      )}
    </div>
  );
}

interface QueryStatusProps {
  readonly query: {
    readonly isPending: boolean;
    readonly isError: boolean;
    readonly isLoadingError: boolean;
    readonly error: unknown;
    readonly refetch: () => Promise<unknown>;
  };
  readonly loading: string;
  /** Whether the query repeats by itself, so that old data is shown while it fails. */
  readonly polled?: boolean;
}

/** Shows that a query is loading, or that it failed. */
export function QueryStatus({ query, loading, polled = false }: QueryStatusProps) {
  if (query.isPending) return <Loading what={loading} />;
  const failed = polled ? query.isLoadingError : query.isError;
  return failed && <ErrorAlert error={query.error} onRetry={() => void query.refetch()} />;
}

interface EmptyStateProps {
  readonly icon: string;
  readonly title: string;
  readonly children?: ReactNode;
}

export function EmptyState({ icon, title, children }: EmptyStateProps) {
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
