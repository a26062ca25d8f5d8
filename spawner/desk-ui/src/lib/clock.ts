/** One clock for all that counts down, kept to the server's time and silent in a hidden page. */
import { useCallback, useSyncExternalStore } from 'react';

let offset = 0;
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** The server's time, seconds since the Unix epoch. */
export function now(): number {
  return Date.now() / 1000 + offset;
}

/** A moment of this machine's clock, milliseconds, in the server's time, seconds. */
export function inServerTime(milliseconds: number): number {
  return milliseconds / 1000 + offset;
}

/**
 * Learn the server's time from an answer's Date header. It tells whole seconds, so a difference
 * of less than two is the header's and not the clock's.
 */
export function learnServerTime(date: string | null): void {
  const said = date === null ? NaN : Date.parse(date) / 1000;
  if (Number.isNaN(said)) return;
  const difference = said + 0.5 - Date.now() / 1000;
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

/** The server's time in steps of *step* seconds; the component renders again at each step. */
export function useNow(step = 1): number {
  const snapshot = useCallback(() => Math.floor(now() / step) * step, [step]);
  return useSyncExternalStore(subscribe, snapshot);
}
