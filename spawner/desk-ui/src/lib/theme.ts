/** Which of the Hub's looks is on; the Hub's own button changes it. */
import { useSyncExternalStore } from 'react';

function subscribe(listener: () => void): () => void {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributeFilter: ['data-bs-theme'] });
  return () => observer.disconnect();
}

/** «light» or «dark». */
export function useTheme(): string {
  return useSyncExternalStore(subscribe, () => document.documentElement.dataset.bsTheme ?? 'light');
}
