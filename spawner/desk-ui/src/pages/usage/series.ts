/** Turns rows of the API into the bars of the chart and the lines of the table. */
import type { Bucket, UsageRow } from '../../api/types';

const DAY = 24 * 3600;

export interface Series {
  readonly name: string;
  /** GPU-hours in each bucket. */
  readonly values: readonly number[];
}

export interface Total {
  readonly name: string;
  readonly gpuHours: number;
  readonly sessions: number;
}

/** Return the total of each name over the whole range, largest first. */
export function totals(rows: readonly UsageRow[]): readonly Total[] {
  const found = new Map<string, Total>();
  for (const row of rows) {
    const before = found.get(row.name);
    found.set(row.name, {
      name: row.name,
      gpuHours: (before?.gpuHours ?? 0) + row.gpu_hours,
      sessions: (before?.sessions ?? 0) + row.leases
    });
  }
  return [...found.values()].sort(
    (one, other) => other.gpuHours - one.gpuHours || one.name.localeCompare(other.name)
  );
}

/** Return the start of the bucket (UTC) of a time. Weeks start on Monday. */
export function bucketStart(seconds: number, bucket: Bucket): number {
  const date = new Date(seconds * 1000);
  if (bucket === 'month') return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / 1000;
  const day = Math.floor(seconds / DAY) * DAY;
  return bucket === 'day' ? day : day - ((date.getUTCDay() + 6) % 7) * DAY;
}

/** Return the starts of all buckets in a range, including those without usage. */
export function buckets(from: number, to: number, bucket: Bucket): readonly number[] {
  const starts: number[] = [];
  if (from >= to) return starts;
  let start = bucketStart(from, bucket);
  while (start < to) {
    starts.push(start);
    const date = new Date(start * 1000);
    start =
      bucket === 'month'
        ? Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) / 1000
        : start + (bucket === 'week' ? 7 : 1) * DAY;
  }
  return starts;
}

/** Return one series for each of the *max* largest names, and one for all others together. */
export function series(
  rows: readonly UsageRow[],
  starts: readonly number[],
  bucket: Bucket,
  max: number,
  others: string
): readonly Series[] {
  const ranked = totals(rows).map(total => total.name);
  // A single name beyond the maximum takes no more room than "others".
  const named = ranked.length <= max + 1 ? ranked : ranked.slice(0, max);
  const place = new Map(starts.map((start, index) => [start, index]));
  const values = new Map<string, number[]>(
    [...named, ...(named.length < ranked.length ? [others] : [])].map(name => [
      name,
      starts.map(() => 0)
    ])
  );
  for (const row of rows) {
    // The first row starts where the range starts, which may be within a bucket.
    const index = place.get(bucketStart(row.bucket_start, bucket));
    const line = values.get(row.name) ?? values.get(others);
    if (index !== undefined && line !== undefined) line[index] = (line[index] ?? 0) + row.gpu_hours;
  }
  return [...values].map(([name, line]) => ({ name, values: line }));
}
