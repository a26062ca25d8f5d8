import { expect, it } from 'vitest';
import type { QuotaDocument } from '../../../api/types';
import {
  currentDocument,
  differences,
  keyOf,
  rebase,
  stage,
  stageField,
  toChanges,
  unstage,
  type Staged
} from '../staging';

const NONE: Staged = new Map();
const BOOST = { until: '2026-12-01T00:00:00+00:00', max_gpus: 8 };

const row = (document: QuotaDocument | null, revision = 3) => ({
  level: 'user' as const,
  name: 'ada',
  document,
  revision
});

it('sends the whole document with the revision it was made from', () => {
  const staged = stageField(NONE, row({ max_gpus: 1, weight: 2 }), 'max_gpus', 4);
  expect(toChanges(staged)).toEqual([
    { level: 'user', name: 'ada', document: { max_gpus: 4, weight: 2 }, revision: 3 }
  ]);
});

it('distinguishes "no limit" from "not set"', () => {
  const unlimited = stageField(NONE, row({ max_gpus: 1, weight: 2 }), 'max_gpus', null);
  expect(currentDocument(unlimited, row(null))).toEqual({ max_gpus: null, weight: 2 });
  const inherited = stageField(NONE, row({ max_gpus: 1, weight: 2 }), 'max_gpus', undefined);
  expect(currentDocument(inherited, row(null))).toEqual({ weight: 2 });
});

it('removes a document without fields', () => {
  const staged = stageField(NONE, row({ max_gpus: 1 }), 'max_gpus', undefined);
  expect(toChanges(staged)[0]?.document).toBeNull();
});

it('forgets an edit that returns to the stored document', () => {
  const there = stageField(NONE, row({ max_gpus: 1 }), 'max_gpus', 2);
  expect(stageField(there, row({ max_gpus: 1 }), 'max_gpus', 1).size).toBe(0);
  expect(stage(NONE, row(null), {}).size).toBe(0);
});

it('keeps the revision of the first edit when the row is loaded again', () => {
  const first = stageField(NONE, row({ max_gpus: 1 }, 3), 'max_gpus', 2);
  const second = stageField(first, row({ max_gpus: 9 }, 4), 'weight', 5);
  expect(toChanges(second)).toEqual([
    { level: 'user', name: 'ada', document: { max_gpus: 2, weight: 5 }, revision: 3 }
  ]);
});

it('undoes one change and keeps the others', () => {
  const bob = { ...row(null, 0), name: 'bob' };
  const both = stageField(stageField(NONE, row(null, 0), 'max_gpus', 2), bob, 'max_gpus', 3);
  expect(toChanges(unstage(both, keyOf(bob))).map(change => change.name)).toEqual(['ada']);
});

it('returns the fields that differ, with a boost as one field', () => {
  const before = { max_gpus: 1, weight: 2, boost: BOOST };
  const after = { max_gpus: 1, weight: 3, boost: { ...BOOST, max_gpus: 9 } };
  expect(differences('user', before, after).map(({ field }) => field)).toEqual(['weight', 'boost']);
  const sameMoment = { ...before, boost: { ...BOOST, until: '2026-12-01T01:00:00+01:00' } };
  expect(differences('user', before, sameMoment)).toEqual([]);
});

it('applies an edit to what someone else saved, and loses neither', () => {
  const staged = stageField(NONE, row({ max_gpus: 1, weight: 1 }, 3), 'max_gpus', 4);
  const change = staged.get('user/ada');
  expect(change).toBeDefined();
  if (!change) return;
  const theirs = row({ max_gpus: 2, weight: 7, boost: BOOST }, 5);
  expect(rebase(change, theirs)).toMatchObject({
    base: theirs.document,
    document: { max_gpus: 4, weight: 7, boost: BOOST },
    revision: 5
  });
  expect(rebase(change, row(null, 6))).toMatchObject({ base: null, document: { max_gpus: 4 } });
});
