import type { ReactElement } from 'react';

import { formatAge, type IDisplayValue } from '../messages/format';
import { useDisplay } from './display';
import { type IChart, Sparkline, spanOf } from './sparkline';

/** A label, and its value with a word for the value's level. */
export function Value(props: { label: string; value: IDisplayValue }): ReactElement {
  const { label, value } = props;
  return (
    <div className="jp-GPUDock-value" data-level={value.level}>
      <span className="jp-GPUDock-label">{label}</span>
      {value.word && <span className="jp-GPUDock-word">{value.word}</span>}
      <span className="jp-GPUDock-number">{value.text}</span>
    </div>
  );
}

/** A value with a chart of its last minutes and, if it is a part of a whole, a bar. */
export function Metric(props: {
  label: string;
  value: IDisplayValue;
  chart: IChart;
  /** How much of the bar is filled, in percent; without it, there is no bar. */
  percent?: number | null;
}): ReactElement {
  const { label, value, chart, percent } = props;
  const { trans } = useDisplay();
  const hasLine = chart.points.filter(point => point[chart.metric] !== null).length > 1;
  const span = formatAge(1000 * spanOf(chart.points), trans);
  return (
    <div className="jp-GPUDock-metric" data-level={value.level}>
      <Value label={label} value={value} />
      {hasLine && <Sparkline {...chart} label={trans.__('%1 over the last %2', label, span)} />}
      {typeof percent === 'number' && <Bar label={label} value={value} percent={percent} />}
    </div>
  );
}

/** A bar that shows a value as a part of a whole. */
export function Bar(props: { label: string; value: IDisplayValue; percent: number }): ReactElement {
  const { text, word } = props.value;
  const percent = Math.min(100, Math.max(0, props.percent));
  return (
    <div
      className="jp-GPUDock-bar"
      role="meter"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(percent)}
      aria-valuetext={word ? `${text}, ${word}` : text}
    >
      <div className="jp-GPUDock-bar-fill" style={{ width: `${percent}%` }} />
    </div>
  );
}
