import { expect, test } from 'vitest';

import { pathsOf } from '../components/sparkline';

function line(...values: [number, number | null][]): string[] {
  const points = values.map(([time, use]) => ({
    time,
    utilization_percent: use,
    memory_used_mib: null,
    temperature_c: null,
    power_w: null
  }));
  return pathsOf({ points, metric: 'utilization_percent', top: 100, intervalS: 1 });
}

test('a chart has a gap without readings, and ends at the right edge', () => {
  const paths = line([0, 50], [1, 50], [2, 50], [40, 50], [41, 50]);
  expect(paths).toHaveLength(2);
  expect(paths[1]).toMatch(/L200 12\.0$/);
});

test('a peak is not lost if readings share a pixel', () => {
  const values = Array.from({ length: 1200 }, (_, row): [number, number] => [row / 2, 0]);
  values[601] = [300.5, 100];
  const [path = ''] = line(...values);
  expect(path).toContain(' 1.0');
  expect(path.split('L').length).toBeLessThanOrEqual(201);
});

test('values that could not be read are left out of the chart', () => {
  expect(line([0, 50], [1, null], [2, 50])).toHaveLength(1);
  expect(line()).toEqual([]);
});
