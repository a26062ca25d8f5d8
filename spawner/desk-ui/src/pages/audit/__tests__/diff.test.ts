import { expect, it } from 'vitest';
import { compare } from '../diff';

it('returns only what changed, and null for missing values', () => {
  expect(
    compare(
      { max_gpus: 1, weight: 2, gpu_models: ['a'] },
      { max_gpus: 1, weight: 3, gpu_hours: null }
    )
  ).toEqual([
    { path: 'weight', before: '2', after: '3' },
    { path: 'gpu_models', before: 'a', after: null },
    { path: 'gpu_hours', before: null, after: 'none' }
  ]);
});

it('compares nested objects', () => {
  expect(compare({ boost: { max_gpus: 1 } }, { boost: { max_gpus: 2 } })).toEqual([
    { path: 'boost.max_gpus', before: '1', after: '2' }
  ]);
});

it('compares plain values and null', () => {
  expect(compare('active', 'draining')).toEqual([
    { path: '', before: 'active', after: 'draining' }
  ]);
  expect(compare(null, { slots: 2 })).toEqual([{ path: 'slots', before: null, after: '2' }]);
  expect(compare({ a: [] }, { a: [] })).toEqual([]);
});
