import { describe, expect, it } from 'vitest';
import type { UsageRow } from '../../../api/types';
import { buckets, bucketStart, series, totals } from '../series';

const at = (text: string) => Date.parse(`${text}Z`) / 1000;
const row = (name: string, start: string, hours: number): UsageRow => ({
  name,
  bucket_start: at(start),
  gpu_hours: hours,
  leases: 1
});

describe('buckets', () => {
  it('start at midnight, on Mondays and on the first of the month, in UTC', () => {
    const time = at('2026-11-25T15:00:00');
    expect(bucketStart(time, 'day')).toBe(at('2026-11-25T00:00:00'));
    expect(bucketStart(time, 'week')).toBe(at('2026-11-23T00:00:00'));
    expect(bucketStart(time, 'month')).toBe(at('2026-11-01T00:00:00'));
    expect(bucketStart(at('2026-11-22T23:59:59'), 'week')).toBe(at('2026-11-16T00:00:00'));
  });

  it('cover the whole range, across months and years', () => {
    expect(buckets(at('2026-11-30T12:00:00'), at('2027-01-02T00:00:00'), 'month')).toEqual([
      at('2026-11-01T00:00:00'),
      at('2026-12-01T00:00:00'),
      at('2027-01-01T00:00:00')
    ]);
    expect(buckets(at('2026-12-31T00:00:00'), at('2027-01-02T00:00:00'), 'day')).toHaveLength(2);
    expect(buckets(5, 5, 'day')).toEqual([]);
  });
});

describe('series', () => {
  const starts = buckets(at('2026-11-23T00:00:00'), at('2026-11-25T00:00:00'), 'day');
  const rows = [
    row('ada', '2026-11-23T00:00:00', 1),
    row('ada', '2026-11-24T00:00:00', 2),
    row('bob', '2026-11-24T00:00:00', 10),
    row('cy', '2026-11-23T00:00:00', 0.5),
    row('dot', '2026-11-23T00:00:00', 0.25)
  ];

  it('show the largest names and sum up the others', () => {
    expect(series(rows, starts, 'day', 2, 'Others')).toEqual([
      { name: 'bob', values: [0, 10] },
      { name: 'ada', values: [1, 2] },
      { name: 'Others', values: [0.75, 0] }
    ]);
  });

  it('show a single name beyond the maximum instead of "others"', () => {
    expect(series(rows, starts, 'day', 3, 'Others').map(({ name }) => name)).toEqual([
      'bob',
      'ada',
      'cy',
      'dot'
    ]);
  });

  it('put a row that starts within a bucket into that bucket', () => {
    const weeks = buckets(at('2026-11-25T00:00:00'), at('2026-12-02T00:00:00'), 'week');
    const part = [row('ada', '2026-11-25T00:00:00', 3), row('ada', '2026-11-30T00:00:00', 4)];
    expect(series(part, weeks, 'week', 5, 'Others')).toEqual([{ name: 'ada', values: [3, 4] }]);
  });

  it('add up to the totals', () => {
    expect(totals(rows).slice(0, 2)).toEqual([
      { name: 'bob', gpuHours: 10, sessions: 1 },
      { name: 'ada', gpuHours: 3, sessions: 2 }
    ]);
  });
});
