import type { ReactElement } from 'react';

import type { IShown } from '../format';

/** A label, a bar, and the value with its level in words. */
export function Meter(props: {
  label: string;
  shown: IShown;
  /** How much of the bar is filled, in per cent; null where nothing is known. */
  percent: number | null;
}): ReactElement {
  const { label, shown, percent } = props;
  const filled = percent === null ? null : Math.min(100, Math.max(0, percent));
  return (
    <div className="jp-GPUDock-meter" data-level={shown.level}>
      <Value label={label} shown={shown} />
      {filled !== null && (
        <div
          className="jp-GPUDock-bar"
          role="meter"
          aria-label={label}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.round(filled)}
          aria-valuetext={shown.word ? `${shown.text}, ${shown.word}` : shown.text}
        >
          <div className="jp-GPUDock-bar-fill" style={{ width: `${filled}%` }} />
        </div>
      )}
    </div>
  );
}

/** A label on the left, and on the right the value with its level in words. */
export function Value(props: { label: string; shown: IShown }): ReactElement {
  const { label, shown } = props;
  return (
    <div className="jp-GPUDock-value" data-level={shown.level}>
      <span className="jp-GPUDock-label">{label}</span>
      {shown.word && <span className="jp-GPUDock-word">{shown.word}</span>}
      <span className="jp-GPUDock-number">{shown.text}</span>
    </div>
  );
}
