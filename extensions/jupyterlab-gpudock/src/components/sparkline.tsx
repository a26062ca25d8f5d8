import { memo, type ReactElement } from 'react';

import { HISTORY_SECONDS, type IPoint, type MetricName } from '../model/history';

const WIDTH = 200;
const HEIGHT = 24;
const MIN_SPAN_S = 60;
/** A longer pause between two readings is drawn as a gap. */
const MAX_PAUSE_S = 5;

/** Return how many seconds the chart covers, back from its last point. */
export function spanOf(points: readonly IPoint[]): number {
  const first = points[0];
  const last = points[points.length - 1];
  const covered = first && last ? last.time - first.time : 0;
  return Math.min(HISTORY_SECONDS, Math.max(MIN_SPAN_S, covered));
}

/** What is drawn of a GPU's history. */
export interface IChart {
  readonly points: readonly IPoint[];
  readonly metric: MetricName;
  /** The value at the top; 0 is at the bottom. */
  readonly top: number;
  readonly intervalS: number;
}

/**
 * Return the line as SVG paths, one for each part without a gap. The newest point is at the right
 * edge. Of readings that share a pixel, the highest is drawn.
 */
export function pathsOf({ points, metric, top, intervalS }: IChart): string[] {
  const last = points[points.length - 1];
  if (!last || top <= 0) {
    return [];
  }
  const span = spanOf(points);
  const maxPause = Math.max(MAX_PAUSE_S, 3 * intervalS);
  const parts: [number, number][][] = [];
  let previous = -Infinity;
  for (const point of points) {
    const value = point[metric];
    if (value === null) {
      continue;
    }
    const x = Math.round(WIDTH * (1 - (last.time - point.time) / span));
    const y = 1 + (HEIGHT - 2) * (1 - Math.min(1, Math.max(0, value / top)));
    const part = parts.at(-1);
    const newest = part?.at(-1);
    if (!part || point.time - previous > maxPause) {
      parts.push([[x, y]]);
    } else if (newest?.[0] === x) {
      newest[1] = Math.min(newest[1], y);
    } else {
      part.push([x, y]);
    }
    previous = point.time;
  }
  return parts.map(part => 'M' + part.map(([x, y]) => `${x} ${y.toFixed(1)}`).join('L'));
}

/** A chart of a metric over the last minutes. */
export const Sparkline = memo(function Sparkline(props: IChart & { label: string }): ReactElement {
  return (
    <svg
      className="jp-GPUDock-sparkline"
      data-metric={props.metric}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={props.label}
    >
      {pathsOf(props).map(path => (
        <g key={path.slice(0, path.indexOf(' '))}>
          <path className="jp-GPUDock-area" d={closed(path)} />
          <path className="jp-GPUDock-line" d={path} vectorEffect="non-scaling-stroke" />
        </g>
      ))}
    </svg>
  );
});

/** Return the path of the area below a part of the line. */
function closed(path: string): string {
  const start = path.slice(1, path.indexOf(' '));
  const end = path.slice(Math.max(path.lastIndexOf('L'), 0) + 1, path.lastIndexOf(' '));
  return `${path}L${end} ${HEIGHT}L${start} ${HEIGHT}Z`;
}
