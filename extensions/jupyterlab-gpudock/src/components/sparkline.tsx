import { memo, type ReactElement } from 'react';

import { HISTORY_SECONDS, type IPoint, type MetricName } from '../model/history';

const WIDTH = 200;
const HEIGHT = 24;
const MIN_SPAN_S = 60;
/** A longer pause between two readings is drawn as a gap: nobody looked. */
const MAX_PAUSE_S = 5;

/** How many seconds the line covers, counted back from its last point. */
export function spanOf(points: readonly IPoint[]): number {
  const first = points[0];
  const last = points[points.length - 1];
  const covered = first && last ? last.time - first.time : 0;
  return Math.min(HISTORY_SECONDS, Math.max(MIN_SPAN_S, covered));
}

/** What is drawn of a GPU's history. */
export interface ILine {
  readonly points: readonly IPoint[];
  readonly metric: MetricName;
  /** The value at the upper edge; 0 is at the lower one. */
  readonly top: number;
  readonly intervalS: number;
}

/**
 * The line in pieces, as SVG paths from the oldest point to the newest at the right edge.
 * A piece ends where nobody looked. Of readings that share a pixel, the highest is drawn.
 */
export function pathsOf({ points, metric, top, intervalS }: ILine): string[] {
  const last = points[points.length - 1];
  if (!last || top <= 0) {
    return [];
  }
  const span = spanOf(points);
  const pause = Math.max(MAX_PAUSE_S, 3 * intervalS);
  const pieces: [number, number][][] = [];
  let before = -Infinity;
  for (const point of points) {
    const value = point[metric];
    if (value === null) {
      continue;
    }
    const x = Math.round(WIDTH * (1 - (last.time - point.time) / span));
    const y = 1 + (HEIGHT - 2) * (1 - Math.min(1, Math.max(0, value / top)));
    const piece = pieces.at(-1);
    const newest = piece?.at(-1);
    if (!piece || point.time - before > pause) {
      pieces.push([[x, y]]);
    } else if (newest?.[0] === x) {
      newest[1] = Math.min(newest[1], y);
    } else {
      piece.push([x, y]);
    }
    before = point.time;
  }
  return pieces.map(piece => 'M' + piece.map(([x, y]) => `${x} ${y.toFixed(1)}`).join('L'));
}

/** A metric of a GPU over the last minutes. */
export const Sparkline = memo(function Sparkline(props: ILine & { label: string }): ReactElement {
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

/** The area below a piece of the line. */
function closed(path: string): string {
  const start = path.slice(1, path.indexOf(' '));
  const end = path.slice(Math.max(path.lastIndexOf('L'), 0) + 1, path.lastIndexOf(' '));
  return `${path}L${end} ${HEIGHT}L${start} ${HEIGHT}Z`;
}
