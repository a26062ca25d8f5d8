import type { IHistory, IHistoryColumns, ISnapshotFrame } from './contract';

/** A metric that is charted over time. */
export type MetricName = keyof IHistoryColumns;

/** The metrics that are charted over time, in the units of the readings. */
export const METRICS: readonly MetricName[] = [
  'utilization_percent',
  'memory_used_mib',
  'temperature_c',
  'power_w'
];

/** One reading of one GPU: seconds since 1970, and its metrics; null where one was not read. */
export type IPoint = { readonly time: number } & Readonly<Record<MetricName, number | null>>;

/** How far back the history reaches, in seconds. */
export const HISTORY_SECONDS = 600;

/** The last minutes of each GPU, by UUID, oldest first. */
export type GPUHistory = ReadonlyMap<string, readonly IPoint[]>;

/** Return the history in the server's document. */
export function fromServer({ times, gpus }: IHistory): GPUHistory {
  return new Map(
    Object.entries(gpus).map(([uuid, columns]) => [
      uuid,
      times.map((time, row) => pointAt(time, metric => columns[metric][row])).filter(hasValue)
    ])
  );
}

/**
 * Return the history with what the server knows of the past. Points that are newer than that stay:
 * they came over the stream while the past was on its way.
 */
export function withPast(history: GPUHistory, past: GPUHistory): GPUHistory {
  const result = new Map(past);
  for (const [uuid, points] of history) {
    const known = past.get(uuid) ?? [];
    const newest = known.at(-1)?.time ?? -Infinity;
    result.set(uuid, [...known, ...points.filter(({ time }) => time > newest)]);
  }
  return result;
}

/** Return the history with a snapshot added and old points removed. */
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
    const point = pointAt(snapshot.time, metric => gpu[metric]);
    if (hasValue(point)) {
      result.set(gpu.uuid, [...(result.get(gpu.uuid) ?? []), point]);
    }
  }
  return result;
}

function pointAt(time: number, read: (metric: MetricName) => unknown): IPoint {
  const values = METRICS.map(metric => {
    const value = read(metric);
    return [metric, typeof value === 'number' ? value : null];
  });
  return { time, ...(Object.fromEntries(values) as Record<MetricName, number | null>) };
}

function hasValue(point: IPoint): boolean {
  return METRICS.some(metric => point[metric] !== null);
}
