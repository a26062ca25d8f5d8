import type { ReactElement } from 'react';

import { type IDisplayValue, formatAge } from '../messages/format';
import { useDisplay } from './display';
import { type ILine, Sparkline, spanOf } from './sparkline';

/** A label on the left, and on the right the value with its level in words. */
export function Value(props: { label: string; shown: IDisplayValue }): ReactElement {
  const { label, shown } = props;
  return (
    <div className="jp-GPUDock-value" data-level={shown.level}>
      <span className="jp-GPUDock-label">{label}</span>
      {shown.word && <span className="jp-GPUDock-word">{shown.word}</span>}
      <span className="jp-GPUDock-number">{shown.text}</span>
    </div>
  );
}

/** A value with its last minutes as a line, and, where it is a part of a whole, a bar. */
export function Metric(props: {
  label: string;
  shown: IDisplayValue;
  line: ILine;
  /** How much of the bar is filled, in per cent; null where nothing is known. No bar without it. */
  percent?: number | null;
}): ReactElement {
  const { label, shown, line, percent } = props;
  const { trans } = useDisplay();
  const hasLine = line.points.filter(point => point[line.metric] !== null).length > 1;
  const span = formatAge(1000 * spanOf(line.points), trans);
  return (
    <div className="jp-GPUDock-metric" data-level={shown.level}>
      <Value label={label} shown={shown} />
      {hasLine && <Sparkline {...line} label={trans.__('%1 over the last %2', label, span)} />}
      {typeof percent === 'number' && <Bar label={label} shown={shown} percent={percent} />}
    </div>
  );
}

/** A bar that is filled in part. */
export function Bar(props: { label: string; shown: IDisplayValue; percent: number }): ReactElement {
  const { label, shown } = props;
  const filled = Math.min(100, Math.max(0, props.percent));
  return (
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
  );
}
