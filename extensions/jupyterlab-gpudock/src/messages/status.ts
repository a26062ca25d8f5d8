import type { TranslationBundle } from '@jupyterlab/translation';

import type { IGPU } from '../model/contract';
import type { IGPUView } from '../model/tokens';
import {
  formatMemory,
  formatName,
  formatTemperature,
  formatUtilization,
  type IDisplay,
  inUnit,
  markSimulated,
  modelName
} from './format';
import { gpuLabel, gpuTrouble } from './gpu';
import { stateMessage } from './state';

/** The age at which the status bar no longer shows a reading, in milliseconds. */
export const MAX_AGE_MS = 60_000;

/** What the status bar shows: a few figures, and all of them in the tooltip. */
export interface IStatusText {
  readonly text: string;
  readonly title: string;
}

/** Return whether the newest reading is too old to be shown. */
export function isOld({ takenAt }: IGPUView, now: number): boolean {
  return now - takenAt > MAX_AGE_MS;
}

/**
 * Return the text for the status bar; null if there is nothing to show.
 *
 * @param hideFigures - whether to show names only
 */
export function statusText(
  { snapshot }: IGPUView,
  hideFigures: boolean,
  display: IDisplay
): IStatusText | null {
  const { trans } = display;
  const show = trans.__('Show the GPU panel');
  if (!snapshot) {
    return null;
  }
  const { gpus } = snapshot;
  if (gpus.length === 0) {
    if (snapshot.state === 'interrupted') {
      return { text: stateMessage('interrupted', '', null, trans).title, title: show };
    }
    return snapshot.state === 'lost' ? { text: trans.__('GPU lost'), title: show } : null;
  }
  const name = names(gpus, trans);
  if (hideFigures) {
    return { text: name, title: show };
  }
  const figures = failures(gpus, trans) ?? totals(gpus, display);
  return {
    text: [name, ...figures].join(' · '),
    title: [...gpus.map(gpu => details(gpu, gpus, display)), show].join('\n')
  };
}

/** Return a name that fits into the status bar, for example `A100` or `RTX 4090`. */
function shortName(gpu: IGPU, trans: TranslationBundle): string {
  const name = modelName(gpu, trans);
  const short =
    /^(?:GeForce |Tesla |Quadro )?((?:[A-Za-z]+ )*?[A-Za-z]*\d+[A-Za-z]*)/.exec(name)?.[1] ?? name;
  return markSimulated(gpu, short, trans);
}

function names(gpus: readonly IGPU[], trans: TranslationBundle): string {
  const [name, ...others] = new Set(gpus.map(gpu => shortName(gpu, trans)));
  if (name === undefined || others.length > 0) {
    return trans._n('%1 GPU', '%1 GPUs', gpus.length);
  }
  return gpus.length === 1 ? name : `${gpus.length} × ${name}`;
}

/** Return what is wrong with the worst GPU, and with how many others; null if all work. */
function failures(gpus: readonly IGPU[], trans: TranslationBundle): string[] | null {
  const found = gpus.flatMap(gpu => {
    const trouble = gpuTrouble(gpu, null, trans);
    return trouble?.level === 'alarm'
      ? [{ label: gpuLabel(gpu, gpus, null, trans), word: trouble.word }]
      : [];
  });
  const [first, ...others] = found;
  if (first === undefined) {
    return null;
  }
  const words = [...new Set(found.map(({ word }) => word))].join(', ');
  if (gpus.length === 1 || (others.length > 0 && others.length + 1 === gpus.length)) {
    return [words];
  }
  return others.length === 0
    ? [trans.__('%1: %2', first.label, words)]
    : [trans._n('%1 with a problem', '%1 with problems', found.length), words];
}

/** Return the memory of all GPUs and their mean utilization. */
function totals(gpus: readonly IGPU[], { trans, preferences }: IDisplay): string[] {
  const numbers = (read: (gpu: IGPU) => unknown): number[] =>
    gpus.map(read).filter(value => typeof value === 'number');
  const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
  const inGigabytes = (values: number[]): number => Math.round(inUnit(sum(values), preferences));
  const total = numbers(gpu => gpu.memory_total_mib);
  const used = numbers(gpu => gpu.memory_used_mib);
  const utilization = numbers(gpu => gpu.utilization_percent);
  return [
    // GPUs are named by GB even where these are GiB. The status bar does the same.
    ...(used.length > 0 && total.length > 0
      ? [trans.__('%1/%2 GB', inGigabytes(used), inGigabytes(total))]
      : []),
    ...(utilization.length > 0
      ? [trans.__('%1 %', Math.round(sum(utilization) / utilization.length))]
      : [])
  ];
}

function details(gpu: IGPU, gpus: readonly IGPU[], display: IDisplay): string {
  const { trans } = display;
  const figures =
    gpu.state === 'ok'
      ? [formatMemory, formatUtilization, formatTemperature].map(
          format => format(gpu, display).text
        )
      : [stateMessage(gpu.state, gpu.detail, null, trans).title];
  const label = gpuLabel(gpu, gpus, null, trans);
  return trans.__('%1: %2', label, [formatName(gpu, trans), ...figures].join(', '));
}
