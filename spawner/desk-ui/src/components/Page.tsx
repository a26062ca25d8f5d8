/** The frame of a page: its heading and actions, and a notice about old data. */
import type { ReactNode } from 'react';
import { ApiError } from '../api/client';
import { duration } from '../lib/format';
import { inServerTime, useNow } from '../lib/clock';
import { t } from '../strings';
import { ErrorAlert } from './Status';

interface PageProps {
  readonly title: string;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

export function Page({ title, actions, children }: PageProps) {
  return (
    <div className="gd-page">
      <header className="d-flex flex-wrap gap-2 align-items-center justify-content-between mb-3">
        <h1 className="fs-3 mb-0">{title}</h1>
        {actions && <div className="d-flex flex-wrap gap-2 align-items-center">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

interface StaleNoticeProps {
  /** The query whose data is shown. */
  readonly query: {
    readonly isRefetchError: boolean;
    readonly dataUpdatedAt: number;
    readonly error: unknown;
  };
}

/**
 * Shows how old the data is while the lab does not answer a repeated query, or why it rejects it: the
 * user is no longer signed in, or their account was deactivated.
 */
export function StaleNotice({ query }: StaleNoticeProps) {
  const now = useNow();
  if (!query.isRefetchError || query.dataUpdatedAt === 0) return null;
  if (query.error instanceof ApiError && query.error.isRejection) {
    return <ErrorAlert error={query.error} />;
  }
  return (
    <div className="alert alert-warning py-2" role="status">
      {t.stale(duration(now - inServerTime(query.dataUpdatedAt)))}
    </div>
  );
}
