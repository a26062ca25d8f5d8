/** How the GPUs of the lab are filtered, grouped and named. */
import type { GPU, GPUState } from '../../api/types';
import { t } from '../../strings';
import { language } from '../../strings/language';

/** How much of a UUID names a GPU: its kind and the first of its groups. */
const UUID_BEGIN = 'GPU-01234567'.length;

export type ShownState = GPUState | 'idle';

/** The icon and color of each state. The name of the state is always shown beside them. */
export const STATE_STYLES: {
  readonly [state in ShownState]: { readonly icon: string; readonly tone: string };
} = {
  free: { icon: 'circle-check', tone: 'free' },
  leased: { icon: 'user', tone: 'primary' },
  idle: { icon: 'moon', tone: 'info' },
  draining: { icon: 'arrow-right-from-bracket', tone: 'warning' },
  quarantined: { icon: 'triangle-exclamation', tone: 'danger' },
  lost: { icon: 'plug-circle-xmark', tone: 'danger' }
};

/** Return the state to show: a leased GPU is idle if all of its sessions are. */
export function shownState(gpu: GPU): ShownState {
  const idle = gpu.leases.length > 0 && gpu.leases.every(holder => holder.idle_since !== null);
  return gpu.state === 'leased' && idle ? 'idle' : gpu.state;
}

/** Filters of the map, with their names, icons and the states that they show. */
export const FILTERS: {
  readonly [filter in 'all' | 'free' | 'leased' | 'idle' | 'out']: {
    readonly name: string;
    readonly icon: string;
    readonly states?: readonly ShownState[];
  };
} = {
  all: { name: t.lab.all, icon: 'microchip' },
  free: { name: t.states.free, icon: STATE_STYLES.free.icon, states: ['free'] },
  leased: { name: t.states.leased, icon: STATE_STYLES.leased.icon, states: ['leased', 'idle'] },
  idle: { name: t.states.idle, icon: STATE_STYLES.idle.icon, states: ['idle'] },
  out: {
    name: t.lab.outOfService,
    icon: STATE_STYLES.quarantined.icon,
    states: ['draining', 'quarantined', 'lost']
  }
};
export type Filter = keyof typeof FILTERS;
export const FILTER_KEYS = Object.keys(FILTERS) as readonly Filter[];

export function matches(gpu: GPU, filter: Filter): boolean {
  return FILTERS[filter].states?.includes(shownState(gpu)) ?? true;
}

export interface Host {
  readonly name: string;
  readonly gpus: readonly GPU[];
  readonly free: number;
}

/** Return the GPUs of each host: hosts by name, GPUs in the order of the API. */
export function byHost(gpus: readonly GPU[]): readonly Host[] {
  const hosts = new Map<string, GPU[]>();
  for (const gpu of gpus) hosts.set(gpu.host, [...(hosts.get(gpu.host) ?? []), gpu]);
  return [...hosts]
    .map(([name, all]) => ({
      name,
      gpus: all,
      free: all.filter(gpu => gpu.state === 'free').length
    }))
    .sort((one, other) => one.name.localeCompare(other.name, language, { numeric: true }));
}

/** Return the short name of a GPU: `GPU 3`, or `GPU 0, slice 1g.5gb`. One that is gone has no number. */
export function gpuName(gpu: GPU): string {
  if (!gpu.reported) return t.lab.gone(gpu.uuid.slice(0, UUID_BEGIN));
  const name = t.lab.gpu(gpu.index);
  return gpu.mig_profile === null ? name : t.lab.slice(name, gpu.mig_profile);
}
