import { expect, it } from 'vitest';
import { dateTime } from '../../../lib/format';
import { changes, compare } from '../diff';

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

const entry = { sequence: 1, at: 0, by: 'admin', target: 'l1', target_name: 'ada' };

it('shows the end of a session as a time, and not as a number', () => {
  const extended = { ...entry, what: 'lease.extend', before: 1790000000, after: 1790003600 };
  expect(changes(extended)).toEqual([
    { path: '', before: dateTime(1790000000), after: dateTime(1790003600) }
  ]);
  const lifted = changes({ ...extended, after: null });
  expect(lifted[0]?.after).toBe('no time limit');
});

it('shows states of accounts and GPUs in the words of their pages', () => {
  const approved = { ...entry, what: 'account.approve', before: 'pending', after: 'active' };
  expect(changes(approved)).toEqual([{ path: '', before: 'Pending approval', after: 'Active' }]);
  const returned = { ...entry, what: 'gpu.state', before: 'draining', after: 'active' };
  expect(changes(returned)).toEqual([{ path: '', before: 'Draining', after: 'In service' }]);
  const appointed = { ...entry, what: 'account.admin', before: false, after: true };
  expect(changes(appointed)).toEqual([{ path: '', before: 'user', after: 'administrator' }]);
  const other = { ...entry, what: 'account.password', before: null, after: 'set' };
  expect(changes(other)).toEqual([{ path: '', before: null, after: 'set' }]);
});

it('shows no id where something was stopped or removed', () => {
  const stopped = { ...entry, what: 'lease.release', before: 'active', after: 'x released it' };
  expect(changes(stopped)).toEqual([{ path: '', before: 'running', after: 'stopped' }]);
  const canceled = { ...entry, what: 'queue.cancel', before: 'a1b2', after: null };
  expect(changes(canceled)).toEqual([{ path: '', before: 'waiting', after: 'removed' }]);
});
