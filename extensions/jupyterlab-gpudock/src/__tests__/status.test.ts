import { nullTranslator } from '@jupyterlab/translation';
import { expect, test } from 'vitest';

import type { IGPU } from '../model/contract';
import { DEFAULTS, preferencesFrom } from '../model/settings';
import { isOld, statusText } from '../messages/status';
import type { IGPUView } from '../model/tokens';
import { gpu, snapshot } from './samples';

const display = { trans: nullTranslator.load('jupyterlab_gpudock'), preferences: DEFAULTS };

function status(gpus: IGPU[], ageMs = 0, changes: Partial<IGPUView> = {}): string | undefined {
  const view = { snapshot: snapshot({ gpus }), takenAt: 1000, ...changes } as IGPUView;
  return statusText(view, isOld(view, 1000 + ageMs), display)?.text;
}

test.each<[Partial<IGPU>, string]>([
  [{ utilization_percent: 87 }, 'A100 · 31/40 GB · 87 %'],
  [{ name: 'NVIDIA GeForce RTX 4090' }, 'RTX 4090 · 31/40 GB · 42 %'],
  [{ name: 'Tesla T4', utilization_percent: 'not_supported' }, 'T4 · 31/40 GB'],
  [{ name: 'NVIDIA RTX 6000 Ada Generation' }, 'RTX 6000 · 31/40 GB · 42 %'],
  [{ name: 'NVIDIA GH200 480GB' }, 'GH200 · 31/40 GB · 42 %'],
  [{ name: 'NVIDIA TITAN V' }, 'TITAN V · 31/40 GB · 42 %'],
  [{ memory_total_mib: 'not_available' }, 'A100 · 42 %'],
  [{ state: 'lost' }, 'A100 · GPU lost']
])('one GPU with %o: %s', (changes, text) => {
  expect(status([gpu(changes)])).toBe(text);
});

test('several GPUs have one text', () => {
  const others = [gpu(), gpu({ utilization_percent: 0 })];
  expect(status([gpu(), ...others])).toBe('3 × A100 · 93/120 GB · 28 %');
  expect(status([gpu(), gpu({ name: 'NVIDIA L4' })])).toBe('2 GPUs · 62/80 GB · 42 %');
});

test.each<[Partial<IGPU>[], string]>([
  [[{}, { state: 'lost' }, {}], '3 × A100 · cuda:1: GPU lost'],
  [[{}, { health: ['remap_failed'] }], '2 × A100 · cuda:1: needs repair'],
  [
    [{}, { state: 'failed' }, { health: ['ecc_uncorrected'] }, {}],
    '4 × A100 · 2 with problems · GPU cannot be read, memory errors'
  ],
  [[{ state: 'interrupted' }, { state: 'interrupted' }], '2 × A100 · GPU readings are interrupted'],
  [[{}, { throttle: ['hw_thermal'] }], '2 × A100 · cuda:1: slowed down'],
  [[{}, { health: ['no_slices'] }], '2 × A100 · cuda:1: no MIG slices'],
  [[{}, { health: ['remap_pending'] }], '2 × A100 · 62/80 GB · 42 %']
])('of several GPUs the failing ones are named: %o', (changes, text) => {
  expect(status(changes.map((change, place) => gpu({ index: `${place}`, ...change })))).toBe(text);
});

test('readings that are interrupted before the first one are shown', () => {
  const crashed = snapshot({ gpus: [], state: 'interrupted' });
  expect(status([], 0, { snapshot: crashed })).toBe('GPU readings are interrupted');
});

test('old figures are hidden', () => {
  expect(status([gpu()], 60_001)).toBe('A100');
});

test('without a GPU there is no text', () => {
  expect(status([])).toBeUndefined();
  expect(status([], 0, { snapshot: null })).toBeUndefined();
  expect(status([], 0, { snapshot: snapshot({ gpus: [], state: 'lost' }) })).toBe('GPU lost');
});

test('preferences that are missing, unknown or of the wrong type have their defaults', () => {
  expect(preferencesFrom({ statusBar: false, intervalSeconds: 'often', other: 1 })).toEqual({
    ...DEFAULTS,
    statusBar: false
  });
});

test('a simulated GPU is called so', () => {
  expect(status([gpu({ simulated: true })])).toBe('A100 (simulated) · 31/40 GB · 42 %');
});
