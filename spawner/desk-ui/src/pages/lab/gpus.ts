/** How the lab's GPUs are sorted, counted and named. */
import type { GPU, GPUState } from '../../api/types';
import { t } from '../../strings';

export type Shown = GPUState | 'idle';

/** An icon and a colour for each state; the word is always beside them. */
export const LOOKS: {
  readonly [state in Shown]: { readonly icon: string; readonly tone: string };
} = {
  free: { icon: 'circle-check', tone: 'free' },
  leased: { icon: 'user', tone: 'primary' },
  idle: { icon: 'moon', tone: 'info' },
  draining: { icon: 'arrow-right-from-bracket', tone: 'warning' },
  quarantined: { icon: 'triangle-exclamation', tone: 'danger' },
  lost: { icon: 'plug-circle-xmark', tone: 'danger' }
};

/** The state that people see: a GPU is idle when all that have it leave it idle. */
export function shownState(gpu: GPU): Shown {
  const idle = gpu.leases.length > 0 && gpu.leases.every(holder => holder.idle_since !== null);
  return gpu.state === 'leased' && idle ? 'idle' : gpu.state;
}

/** A filter of the lab's map. */
export const FILTERS = ['all', 'free', 'leased', 'idle', 'out'] as const;
export type Filter = (typeof FILTERS)[number];

export function matches(gpu: GPU, filter: Filter): boolean {
  const state = shownState(gpu);
  switch (filter) {
    case 'all':
      return true;
    case 'out':
      return state === 'draining' || state === 'quarantined' || state === 'lost';
    case 'leased':
      return state === 'leased' || state === 'idle';
    default:
      return state === filter;
  }
}

export interface Host {
  readonly name: string;
  readonly gpus: readonly GPU[];
  readonly free: number;
}

/** The GPUs of each host, hosts by name and GPUs in the API's order. */
export function byHost(gpus: readonly GPU[]): readonly Host[] {
  const hosts = new Map<string, GPU[]>();
  for (const gpu of gpus) {
    hosts.set(gpu.host, [...(hosts.get(gpu.host) ?? []), gpu]);
  }
  return [...hosts]
    .map(([name, all]) => ({
      name,
      gpus: all,
      free: all.filter(gpu => gpu.state === 'free').length
    }))
    .sort((one, other) => one.name.localeCompare(other.name, 'en', { numeric: true }));
}

/** A GPU's short name: «GPU 3», «GPU 0, slice 1g.5gb». */
export function gpuName(gpu: GPU): string {
  const slice = gpu.mig_profile === null ? '' : `, ${t.lab.slice(gpu.mig_profile)}`;
  return `${t.lab.gpu(gpu.index)}${slice}`;
}
