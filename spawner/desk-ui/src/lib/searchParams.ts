/** What a page shows is part of its address, so that it can be reloaded, bookmarked and shared. */
import { useCallback, useEffect, useState } from 'react';

/** Values to set; null or an empty text removes a parameter. */
export type Parameters = Readonly<Record<string, string | null>>;

/** Return the parameters of the page's address, and the function that changes them. */
export function useSearchParams(): readonly [URLSearchParams, (change: Parameters) => void] {
  const [parameters, setParameters] = useState(() => new URLSearchParams(window.location.search));
  useEffect(() => {
    const update = () => setParameters(new URLSearchParams(window.location.search));
    window.addEventListener('popstate', update);
    return () => window.removeEventListener('popstate', update);
  }, []);
  const change = useCallback((values: Parameters) => {
    const next = new URLSearchParams(window.location.search);
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === '') next.delete(name);
      else next.set(name, value);
    }
    const query = next.toString();
    window.history.replaceState(null, '', query === '' ? window.location.pathname : `?${query}`);
    setParameters(next);
  }, []);
  return [parameters, change];
}
