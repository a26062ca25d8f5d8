/** The configuration that the page's template passes on: addresses, the user, their rights. */
import { createContext, useContext } from 'react';

export const SECTIONS = ['mine', 'lab', 'quotas', 'usage', 'sessions', 'audit'] as const;
export type Section = (typeof SECTIONS)[number];

export interface Desk {
  /** The address of the REST API, without a trailing slash. */
  readonly api: string;
  /** The address of the pages, with a trailing slash. */
  readonly base: string;
  /** The address of the Hub, with a trailing slash. */
  readonly hub: string;
  readonly user: string;
  /** Whether the user may see everything in the lab. */
  readonly read: boolean;
  /** Whether the user may change quotas, GPUs and the sessions of others. */
  readonly manage: boolean;
  /** The groups whose members' quotas the user may change without that right. */
  readonly leads: readonly string[];
  readonly section: Section;
  readonly xsrf: string;
}

/** Read the configuration from the element that the page is rendered into. */
export function readDesk(element: HTMLElement): Desk {
  const { api, base, hub, user, read, manage, groups, section, xsrf } = element.dataset;
  if (!api || !base || !hub || !user) {
    throw new Error('The template does not pass on all addresses.');
  }
  return {
    api: api.replace(/\/$/, ''),
    base,
    hub,
    user,
    read: read === 'yes',
    manage: manage === 'yes',
    leads: JSON.parse(groups ?? '[]') as string[],
    section: SECTIONS.find(known => known === section) ?? 'mine',
    xsrf: xsrf ?? ''
  };
}

export const DeskContext = createContext<Desk | null>(null);

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === null) throw new Error('useDesk must be used within a DeskContext.');
  return desk;
}
