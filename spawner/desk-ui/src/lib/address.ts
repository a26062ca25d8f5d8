/** What a page shows is in its address, so that it can be reloaded, kept and sent to others. */
import { useCallback, useEffect, useState } from 'react';

type Change = Readonly<Record<string, string | null>>;

/** The address's parameters, and the function that sets them; null takes one away. */
export function useAddress(): readonly [URLSearchParams, (change: Change) => void] {
  const [parameters, setParameters] = useState(() => new URLSearchParams(window.location.search));
  useEffect(() => {
    const follow = () => setParameters(new URLSearchParams(window.location.search));
    window.addEventListener('popstate', follow);
    return () => window.removeEventListener('popstate', follow);
  }, []);
  const change = useCallback((wanted: Change) => {
    const next = new URLSearchParams(window.location.search);
    for (const [name, value] of Object.entries(wanted)) {
      if (value === null || value === '') next.delete(name);
      else next.set(name, value);
    }
    const query = next.toString();
    window.history.replaceState(null, '', query === '' ? window.location.pathname : `?${query}`);
    setParameters(next);
  }, []);
  return [parameters, change];
}
