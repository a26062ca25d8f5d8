/** The end of a session that its user wants: JupyterLab's tabs are informed, and it is shown. */
import { useEffect, useState } from 'react';

/** The channel, the message and the parameter are those of the GPU panel in JupyterLab. */
const CHANNEL = 'gpudock';
const PARAMETER = 'ended';

/** Inform a server's JupyterLab, in other tabs, that its user stops it. It is then no outage. */
export function announceEnd(address: string): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage({ ends: decodeURIComponent(address) });
  channel.close();
}

/** Return the session whose end is to be shown: the one in the address, until it is replaced. */
export function useEnded() {
  const [ended, setEnded] = useState(() => new URLSearchParams(location.search).get(PARAMETER));
  useEffect(() => {
    const address = new URL(location.href);
    if (!address.searchParams.has(PARAMETER)) return;
    // It is shown once, and not again when the page is reloaded.
    address.searchParams.delete(PARAMETER);
    history.replaceState(history.state, '', address);
  }, []);
  return [ended, setEnded] as const;
}
