import { nullTranslator } from '@jupyterlab/translation';
import { expect, test } from 'vitest';

import {
  formatAge,
  formatClock,
  formatMemory,
  formatPower,
  formatTemperature,
  formatTimeLeft,
  formatUtilization
} from '../messages/format';
import type { IGPU } from '../model/contract';
import { DEFAULTS } from '../model/settings';
import { gpu } from './samples';

const trans = nullTranslator.load('jupyterlab_gpudock');
const display = { trans, preferences: DEFAULTS };

test.each<[keyof typeof formatters, Partial<IGPU>, string, string, string]>([
  ['memory', { memory_used_mib: 30000 }, '29.3 / 40.0 GiB', 'normal', ''],
  ['memory', { memory_used_mib: 34816 }, '34.0 / 40.0 GiB', 'notice', 'filling up'],
  ['memory', { memory_used_mib: 38912 }, '38.0 / 40.0 GiB', 'alarm', 'nearly full'],
  ['memory', { memory_total_mib: 'not_supported' }, '31.0 GiB', 'normal', ''],
  ['memory', { memory_used_mib: 'not_supported' }, 'not reported', 'normal', ''],
  ['temperature', { temperature_c: 84 }, '84 °C', 'normal', ''],
  ['temperature', { temperature_c: 85 }, '85 °C', 'notice', 'hot'],
  ['temperature', { temperature_c: 92 }, '92 °C', 'alarm', 'too hot'],
  [
    'temperature',
    { temperature_c: 90, temperature_slowdown_c: 'not_supported' },
    '90 °C',
    'alarm',
    'too hot'
  ],
  ['utilization', { utilization_percent: 0 }, '0 %', 'normal', 'idle'],
  ['utilization', { utilization_percent: 95 }, '95 %', 'normal', 'busy'],
  ['utilization', { utilization_percent: 'not_available' }, 'unknown', 'normal', ''],
  ['utilization', { utilization_percent: 'nonsense' }, 'invalid reading', 'normal', ''],
  ['power', { power_limit_w: 'not_supported' }, '283 W', 'normal', '']
])('%s of %o', (metric, changes, text, level, word) => {
  expect(formatters[metric](gpu(changes), display)).toEqual({ text, level, word });
});

const formatters = {
  memory: formatMemory,
  temperature: formatTemperature,
  utilization: formatUtilization,
  power: formatPower
};

test.each([
  [0, '0 s'],
  [89000, '89 s'],
  [120000, '2 min'],
  [7200000, '2 h']
])('%d ms are %s', (milliseconds, words) => {
  expect(formatAge(milliseconds, trans)).toBe(words);
});

test.each([
  [119_999, '119 s'],
  [120_000, '2 min'],
  [3_599_999, '59 min'],
  [7_260_000, '2 h 1 min'],
  [-5, '0 s']
])('%d remaining ms are %s, never more', (milliseconds, words) => {
  expect(formatTimeLeft(milliseconds, trans)).toBe(words);
});

test('preferred units and thresholds are used', () => {
  const preferences = {
    ...DEFAULTS,
    memoryUnit: 'GB',
    temperatureUnit: '°F',
    memoryFillingPercent: 50,
    hotBelowSlowdownC: 30
  } as const;
  expect(formatMemory(gpu(), { trans, preferences })).toEqual({
    text: '33.3 / 42.9 GB',
    level: 'notice',
    word: 'filling up'
  });
  expect(formatTemperature(gpu(), { trans, preferences })).toEqual({
    text: '147 °F',
    level: 'notice',
    word: 'hot'
  });
});

test('a clock without a maximum is shown alone', () => {
  expect(formatClock(1215, 'not_supported', trans).text).toBe('1215 MHz');
});
