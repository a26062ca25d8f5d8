import type { IHistory, ISnapshot } from './api';

/** One moment of one GPU: seconds since 1970, and per cent. */
export interface IPoint {
  time: number;
  use: number;
}

/** How far back the history reaches, in seconds. */
export const HISTORY_SECONDS = 600;

/** The use of each GPU over the last minutes, by UUID. */
export type UseHistory = ReadonlyMap<string, readonly IPoint[]>;

/** The history as the server remembers it. */
export function fromServer(history: IHistory): UseHistory {
  const result = new Map<string, IPoint[]>();
  for (const [uuid, columns] of Object.entries(history.gpus)) {
    const points: IPoint[] = [];
    history.times.forEach((time, row) => {
      const use = columns.utilization_percent[row];
      if (typeof use === 'number') {
        points.push({ time, use });
      }
    });
    result.set(uuid, points);
  }
  return result;
}

/** The history with a snapshot added, and what is too old forgotten. */
export function withSnapshot(history: UseHistory, snapshot: ISnapshot): UseHistory {
  const oldest = snapshot.time - HISTORY_SECONDS;
  const result = new Map<string, readonly IPoint[]>();
  for (const [uuid, points] of history) {
    const kept = points.filter(point => point.time >= oldest && point.time < snapshot.time);
    if (kept.length > 0) {
      result.set(uuid, kept);
    }
  }
  for (const { uuid, utilization_percent: use } of snapshot.gpus) {
    if (typeof use === 'number') {
      result.set(uuid, [...(result.get(uuid) ?? []), { time: snapshot.time, use }]);
    }
  }
  return result;
}
