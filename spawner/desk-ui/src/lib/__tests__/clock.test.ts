import { afterEach, expect, it, vi } from 'vitest';
import { learnServerTime, now } from '../clock';

afterEach(() => {
  vi.useRealTimers();
  learnServerTime(new Date().toUTCString());
});

it('follows the server where the clock of the machine is wrong', () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 23, 12) });
  learnServerTime('Mon, 23 Nov 2026 12:10:00 GMT');
  expect(now()).toBeCloseTo(Date.UTC(2026, 10, 23, 12, 10) / 1000, -0.5);
});

it('does not jump about by the second that the header leaves open', () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 23, 12, 0, 1) });
  learnServerTime('Mon, 23 Nov 2026 12:00:00 GMT');
  expect(now()).toBe(Date.UTC(2026, 10, 23, 12, 0, 1) / 1000);
});

it('ignores a header that says no time', () => {
  vi.useFakeTimers({ now: 1_000_000 });
  learnServerTime('soon');
  learnServerTime(null);
  expect(now()).toBe(1000);
});
