/** A bar that says how much of a limit is used, in words as well. */
import type { ReactNode } from 'react';

interface MeterProps {
  readonly label: string;
  readonly used: number;
  /** null: there is no limit, and so no bar. */
  readonly limit: number | null;
  /** «3 of 4 GPUs». */
  readonly text: string;
  /** Where the limit comes from, or another remark. */
  readonly note?: ReactNode;
  /** Whether little left is bad news; to hold all the GPUs one may hold is not. */
  readonly alarming?: boolean;
}

export function Meter({ label, used, limit, text, note, alarming = false }: MeterProps) {
  const part = limit === null ? 0 : limit === 0 ? 1 : Math.min(1, used / limit);
  const tone = !alarming
    ? 'bg-primary'
    : part >= 1
      ? 'bg-danger'
      : part >= 0.8
        ? 'bg-warning'
        : 'bg-primary';
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
          <div className={`progress-bar ${tone}`} style={{ width: `${part * 100}%` }} />
        </div>
      )}
      {note && <div className="form-text mt-0">{note}</div>}
    </div>
  );
}
