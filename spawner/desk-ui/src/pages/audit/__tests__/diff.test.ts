import { expect, it } from 'vitest';
import { compare } from '../diff';

it('tells only what changed, and what was not there before', () => {
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

it('goes into what is nested', () => {
  expect(compare({ boost: { max_gpus: 1 } }, { boost: { max_gpus: 2 } })).toEqual([
    { path: 'boost.max_gpus', before: '1', after: '2' }
  ]);
});

it('compares plain values, and what came from nothing', () => {
  expect(compare('active', 'draining')).toEqual([
    { path: '', before: 'active', after: 'draining' }
  ]);
  expect(compare(null, { slots: 2 })).toEqual([{ path: 'slots', before: null, after: '2' }]);
  expect(compare({ a: [] }, { a: [] })).toEqual([]);
});
