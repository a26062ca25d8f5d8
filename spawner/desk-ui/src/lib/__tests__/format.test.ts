import { describe, expect, it } from 'vitest';
import { duration, percent, spokenDuration, startOfUtcDay, utcDateInput } from '../format';
import { amount, count } from '../numbers';

describe('duration', () => {
  it.each([
    [-5, '0 s'],
    [59.9, '59 s'],
    [60, '1 min 00 s'],
    [599, '9 min 59 s'],
    [600, '10 min'],
    [3599, '59 min'],
    [3600, '1 h 00 min'],
    [3600 * 47 + 300, '47 h 05 min'],
    [3600 * 53, '2 d 5 h']
  ])('of %d s is %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  it.each([
    [20, 'less than a minute'],
    [60, '1 minute'],
    [7500, '2 hours and 5 minutes'],
    [90_000, '1 day and 1 hour']
  ])('of %d s is spoken as "%s"', (seconds, text) => {
    expect(spokenDuration(seconds)).toBe(text);
  });
});

it.each([
  [0, 0, '—'],
  [0, 10, '0 %'],
  [0.001, 10, '< 1 %'],
  [1.2, 10, '12 %'],
  [9.999, 10, '> 99 %'],
  [10, 10, '100 %']
])('shows %d of %d in percent', (value, sum, text) => {
  expect(percent(value, sum)).toBe(text);
});

it('does not round small numbers to zero', () => {
  expect([0, 0.0035, 0.96, 1.25, 1234.56].map(amount)).toEqual([
    '0',
    '0.0035',
    '0.96',
    '1.3',
    '1,234.6'
  ]);
});

it('uses the singular and the plural', () => {
  expect([count(1, 'GPU'), count(2, 'GPU'), count(0, 'row')]).toEqual([
    '1 GPU',
    '2 GPUs',
    '0 rows'
  ]);
  expect([count(0.5, 'day'), count(1.5, 'day'), count(1.04, 'day'), count(1234, 'row')]).toEqual([
    '0.5 days',
    '1.5 days',
    '1 day',
    '1,234 rows'
  ]);
});

it('parses the day that it formats, and rejects everything else', () => {
  const start = startOfUtcDay('2026-11-23');
  expect(start).toBe(Date.UTC(2026, 10, 23) / 1000);
  expect(utcDateInput(start ?? 0)).toBe('2026-11-23');
  expect([startOfUtcDay(''), startOfUtcDay('2026-13-01'), startOfUtcDay('yesterday')]).toEqual([
    null,
    null,
    null
  ]);
});
