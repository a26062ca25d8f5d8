import type { ReactElement } from 'react';

import { HISTORY_SECONDS, type IPoint } from '../history';

const WIDTH = 200;
const HEIGHT = 28;
const SHORTEST_SPAN_S = 60;
/** A longer pause between two readings is drawn as a gap: nobody looked. */
const LONGEST_PAUSE_S = 5;

/** How many seconds the line covers, counted back from its last point. */
export function spanOf(points: readonly IPoint[]): number {
  const first = points[0];
  const last = points[points.length - 1];
  const covered = first && last ? last.time - first.time : 0;
  return Math.min(HISTORY_SECONDS, Math.max(SHORTEST_SPAN_S, covered));
}

/** The line as an SVG path, from the oldest point to the newest at the right edge. */
export function pathOf(points: readonly IPoint[], intervalS: number): string {
  const last = points[points.length - 1];
  if (!last) {
    return '';
  }
  const span = spanOf(points);
  const pause = Math.max(LONGEST_PAUSE_S, 3 * intervalS);
  let path = '';
  let before = -Infinity;
  for (const { time, use } of points) {
    const x = WIDTH * (1 - (last.time - time) / span);
    const y = 1 + (HEIGHT - 2) * (1 - use / 100);
    path += `${time - before > pause ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
    before = time;
  }
  return path;
}

/** The use of a GPU over the last minutes. */
export function Sparkline(props: {
  points: readonly IPoint[];
  intervalS: number;
  label: string;
}): ReactElement {
  return (
    <svg
      className="jp-GPUDock-sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={props.label}
    >
      <path d={pathOf(props.points, props.intervalS)} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
