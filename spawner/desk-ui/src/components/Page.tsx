/** The frame of a page: its heading, what can be done there, and word of a lab that is silent. */
import type { ReactNode } from 'react';
import { duration } from '../lib/format';
import { inServerTime, useNow } from '../lib/clock';
import { t } from '../strings';

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

interface StaleProps {
  /** Whether the last try failed. */
  readonly failing: boolean;
  /** When the shown data came, milliseconds. */
  readonly since: number;
}

/** Says that what is shown is old, while the desk does not answer. */
export function Stale({ failing, since }: StaleProps) {
  const now = useNow();
  if (!failing || since === 0) return null;
  return (
    <div className="alert alert-warning py-2" role="status">
      {t.stale(duration(now - inServerTime(since)))}
    </div>
  );
}
