import { useCallback, useSyncExternalStore } from 'react';

import type { IObservable } from '../model/store';

const TICK_MS = 1000;

/** Return a store's view. While it is not active, changes do not cause a render. */
export function useView<V>(store: IObservable<V>, isActive = true): V {
  const subscribe = useCallback(
    (notify: () => void) => {
      if (isActive) {
        store.changed.connect(notify);
      }
      return () => void store.changed.disconnect(notify);
    },
    [store, isActive]
  );
  return useSyncExternalStore(subscribe, () => store.view);
}

/** Return the time in milliseconds, to the second. It advances while it ticks and is visible. */
export function useNow(isTicking: boolean): number {
  const subscribe = useCallback(
    (notify: () => void) => {
      const tick = (): void => {
        if (document.visibilityState !== 'hidden') {
          notify();
        }
      };
      const timer = isTicking ? setInterval(tick, TICK_MS) : undefined;
      return () => clearInterval(timer);
    },
    [isTicking]
  );
  return useSyncExternalStore(subscribe, () => TICK_MS * Math.floor(Date.now() / TICK_MS));
}
