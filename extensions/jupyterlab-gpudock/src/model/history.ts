import type { IGPU, IHistory, ISnapshotFrame } from './contract';

/** What is drawn over time, in the units of the readings. */
export const METRICS = [
  'utilization_percent',
  'memory_used_mib',
  'temperature_c',
  'power_w'
] as const satisfies readonly (keyof IGPU)[];

/** One of the metrics that are drawn over time. */
export type MetricName = (typeof METRICS)[number];

/** One moment of one GPU: seconds since 1970, and its metrics; null where one was not read. */
export type IPoint = { readonly time: number } & Readonly<Record<MetricName, number | null>>;

/** How far back the history reaches, in seconds. */
export const HISTORY_SECONDS = 600;

/** The last minutes of each GPU, by UUID, oldest first. */
export type GPUHistory = ReadonlyMap<string, readonly IPoint[]>;

/** The history as the server remembers it. */
export function fromServer(history: IHistory): GPUHistory {
  const result = new Map<string, IPoint[]>();
  for (const [uuid, columns] of Object.entries(history.gpus)) {
    result.set(
      uuid,
      history.times
        .map((time, row) => pointOf(time, metric => columns[metric][row]))
        .filter(point => METRICS.some(metric => point[metric] !== null))
    );
  }
  return result;
}

/** The history with a snapshot added, and what is too old forgotten. */
export function withSnapshot(history: GPUHistory, snapshot: ISnapshotFrame): GPUHistory {
  const oldest = snapshot.time - HISTORY_SECONDS;
  const result = new Map<string, readonly IPoint[]>();
  for (const [uuid, points] of history) {
    const kept = points.filter(point => point.time >= oldest && point.time < snapshot.time);
    if (kept.length > 0) {
      result.set(uuid, kept);
    }
  }
  for (const gpu of snapshot.gpus) {
    const point = pointOf(snapshot.time, metric => gpu[metric]);
    if (METRICS.some(metric => point[metric] !== null)) {
      result.set(gpu.uuid, [...(result.get(gpu.uuid) ?? []), point]);
    }
  }
  return result;
}

function pointOf(time: number, read: (metric: MetricName) => unknown): IPoint {
  const values = METRICS.map(metric => {
    const value = read(metric);
    return [metric, typeof value === 'number' ? value : null];
  });
  return { time, ...(Object.fromEntries(values) as Record<MetricName, number | null>) };
}
