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
