/** The name and the address of a session's server. */
import type { Session } from '../../api/types';
import type { Desk } from '../../config';
import { t } from '../../strings';

export function serverName(server: string): string {
  return server === '' ? t.mine.defaultServer : t.mine.server(server);
}

/** Return the address of the Hub's page that starts a server of the user. */
export function spawnAddress(desk: Desk, server: string): string {
  return `${desk.hub}spawn/${encodeURIComponent(desk.user)}/${encodeURIComponent(server)}`;
}

/** Return the address of a session's JupyterLab. */
export function serverAddress(desk: Desk, session: Pick<Session, 'user' | 'server'>): string {
  const root = desk.hub.replace(/hub\/$/, '');
  const server = session.server === '' ? '' : `${encodeURIComponent(session.server)}/`;
  return `${root}user/${encodeURIComponent(session.user)}/${server}`;
}
