/** A bar that shows how much of a limit is used, with the same in words. */
import type { ReactNode } from 'react';

interface MeterProps {
  readonly label: string;
  readonly used: number;
  /** null: no limit, and no bar. */
  readonly limit: number | null;
  /** For example `3 of 4 GPUs`. */
  readonly text: string;
  readonly note?: ReactNode;
  /** Whether the color warns when little is left. */
  readonly warns?: boolean;
}

export function Meter({ label, used, limit, text, note, warns = false }: MeterProps) {
  const part = limit === null ? 0 : limit === 0 ? 1 : Math.min(1, used / limit);
  const color = !warns || part < 0.8 ? 'bg-primary' : part < 1 ? 'bg-warning' : 'bg-danger';
  return (
    <div className="gd-meter">
      <div className="d-flex justify-content-between gap-2">
        <span className="fw-semibold">{label}</span>
        <span>{text}</span>
      </div>
      {limit !== null && (
        <div
          className="progress gd-progress"
          role="progressbar"
          aria-label={label}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.round(part * 100)}
          aria-valuetext={text}
        >
          <div className={`progress-bar ${color}`} style={{ width: `${part * 100}%` }} />
        </div>
      )}
      {note && <div className="form-text mt-0">{note}</div>}
    </div>
  );
}
