import { afterEach, expect, it, vi } from 'vitest';
import { syncServerTime, now } from '../clock';

afterEach(() => {
  vi.useRealTimers();
  syncServerTime(new Date().toUTCString());
});

it('follows the server if the clock of the machine is wrong', () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 23, 12) });
  syncServerTime('Mon, 23 Nov 2026 12:10:00 GMT');
  expect(now()).toBeCloseTo(Date.UTC(2026, 10, 23, 12, 10) / 1000, -0.5);
});

it('ignores a difference within the precision of the header', () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 23, 12, 0, 1) });
  syncServerTime('Mon, 23 Nov 2026 12:00:00 GMT');
  expect(now()).toBe(Date.UTC(2026, 10, 23, 12, 0, 1) / 1000);
});

it('ignores a header without a valid time', () => {
  vi.useFakeTimers({ now: 1_000_000 });
  syncServerTime('soon');
  syncServerTime(null);
  expect(now()).toBe(1000);
});
