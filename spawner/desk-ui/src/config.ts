/** What the page's template tells: where things are, who looks, and what they may do. */
import { createContext, useContext } from 'react';

export const SECTIONS = ['mine', 'lab', 'quotas', 'usage', 'audit'] as const;
export type Section = (typeof SECTIONS)[number];

export interface Desk {
  /** The REST API's address, without a slash at the end. */
  readonly api: string;
  /** The service's pages, with a slash at the end. */
  readonly base: string;
  /** The Hub's pages, with a slash at the end. */
  readonly hub: string;
  readonly user: string;
  /** May see everything of the lab. */
  readonly read: boolean;
  /** May change quotas, GPUs, and other people's sessions. */
  readonly manage: boolean;
  /** The groups whose members' quotas they may change, where they may not change everybody's. */
  readonly leads: readonly string[];
  readonly section: Section;
  readonly xsrf: string;
}

/** Read the configuration from the element that the pages are put into. */
export function readDesk(element: HTMLElement): Desk {
  const { api, base, hub, user, read, manage, groups, section, xsrf } = element.dataset;
  if (!api || !base || !hub || !user) {
    throw new Error('The page lacks the addresses of the desk.');
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

/** The configuration of the page that the component is on. */
export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === null) throw new Error('useDesk is for components within a DeskContext.');
  return desk;
}
