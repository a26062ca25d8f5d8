/** Moves through the pages of a long list. */
import { whole } from '../lib/numbers';
import { t } from '../strings';

interface PagerProps {
  readonly offset: number;
  readonly limit: number;
  readonly total: number;
  readonly label: string;
  readonly onMove: (offset: number) => void;
}

export function Pager({ offset, limit, total, label, onMove }: PagerProps) {
  if (total <= limit && offset === 0) {
    return <p className="text-body-secondary small mb-0">{t.pager.all(total)}</p>;
  }
  const last = Math.max(0, Math.floor((total - 1) / limit) * limit);
  const to = Math.min(offset + limit, total);
  const step = (text: string, target: number, disabled: boolean) => (
    <li className={`page-item${disabled ? ' disabled' : ''}`}>
      <button
        type="button"
        className="page-link"
        disabled={disabled}
        onClick={() => onMove(target)}
      >
        {text}
      </button>
    </li>
  );
  return (
    <nav aria-label={label} className="d-flex flex-wrap gap-3 align-items-center">
      <ul className="pagination pagination-sm mb-0">
        {step(t.pager.first, 0, offset === 0)}
        {step(t.pager.previous, Math.max(0, offset - limit), offset === 0)}
        {step(t.pager.next, offset + limit, offset + limit >= total)}
        {step(t.pager.last, last, offset >= last)}
      </ul>
      <span className="text-body-secondary small" role="status">
        {t.pager.range(whole(Math.min(offset + 1, total)), whole(to), whole(total))}
      </span>
    </nav>
  );
}
