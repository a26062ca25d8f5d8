/** One clock for all countdowns. It follows the server's time and pauses in a hidden page. */
import { useCallback, useSyncExternalStore } from 'react';

let offset = 0;
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** Return the server's time, as Unix time in seconds. */
export function now(): number {
  return inServerTime(Date.now());
}

/** Convert a time of this machine's clock, in milliseconds, to the server's time. */
export function inServerTime(milliseconds: number): number {
  return milliseconds / 1000 + offset;
}

/**
 * Set the server's time from the Date header of a response. The header has whole seconds, so a
 * difference below two seconds is ignored.
 */
export function syncServerTime(date: string | null): void {
  const time = date === null ? NaN : Date.parse(date) / 1000;
  if (Number.isNaN(time)) return;
  const difference = time + 0.5 - Date.now() / 1000;
  offset = Math.abs(difference) < 2 ? 0 : difference;
}

function tick(): void {
  if (document.visibilityState === 'visible') {
    for (const listener of listeners) listener();
  }
}

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) {
    timer = setInterval(tick, 1000);
    document.addEventListener('visibilitychange', tick);
  }
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', tick);
    }
  };
}

/** Return the server's time, rounded down to *step* seconds. Renders again at each step. */
export function useNow(step = 1): number {
  const snapshot = useCallback(() => Math.floor(now() / step) * step, [step]);
  return useSyncExternalStore(subscribe, snapshot);
}
