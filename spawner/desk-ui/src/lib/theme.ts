/** The theme of the page, which the Hub's own button changes. */
import { useSyncExternalStore } from 'react';

function subscribe(listener: () => void): () => void {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributeFilter: ['data-bs-theme'] });
  return () => observer.disconnect();
}

/** Return `light` or `dark`. */
export function useTheme(): string {
  return useSyncExternalStore(subscribe, () => document.documentElement.dataset.bsTheme ?? 'light');
}
