import type { TranslationBundle } from '@jupyterlab/translation';

import type { IGPU } from '../model/contract';
import {
  inUnit,
  isNumber,
  formatMemory,
  formatName,
  formatTemperature,
  formatUtilization
} from './format';
import type { IGPUView } from '../model/tokens';
import type { IDisplay } from '../components/display';
import { stateMessage } from './state';

/** Readings that are older, in milliseconds, say nothing about now. */
export const FRESH_MS = 60_000;

/** What the status bar says: a few figures, and all of them for whoever points at it. */
export interface IStatusText {
  readonly text: string;
  readonly title: string;
}

/** The GPUs of a view in a few figures; null where there is nothing to say. */
export function statusText(view: IGPUView, now: number, display: IDisplay): IStatusText | null {
  const { trans } = display;
  const { snapshot } = view;
  if (!snapshot) {
    return null;
  }
  const [first, ...others] = snapshot.gpus;
  if (!first) {
    return snapshot.state === 'lost'
      ? { text: trans.__('GPU lost'), title: trans.__('Show the GPU panel') }
      : null;
  }
  const title = [...snapshot.gpus.map(gpu => line(gpu, display)), trans.__('Show the GPU panel')];
  if (now - view.takenAt > FRESH_MS) {
    return { text: names(snapshot.gpus, trans), title: trans.__('Show the GPU panel') };
  }
  const lost = snapshot.gpus.some(gpu => gpu.state === 'lost');
  const figures = others.length > 0 ? sum(snapshot.gpus, display) : figuresOf(first, display);
  const parts = [names(snapshot.gpus, trans), ...(lost ? [trans.__('GPU lost')] : figures)];
  return { text: parts.join(' · '), title: title.join('\n') };
}

/** A GPU's name where there is little room: `A100`, `RTX 4090`. */
function shortName(gpu: IGPU, trans: TranslationBundle): string {
  const name = formatName(gpu, trans);
  return (
    /^(?:GeForce |Tesla |Quadro )?((?:[A-Za-z]+ )*?[A-Za-z]*\d+[A-Za-z]*)/.exec(name)?.[1] ?? name
  );
}

function names(gpus: readonly IGPU[], trans: TranslationBundle): string {
  const distinct = [...new Set(gpus.map(gpu => shortName(gpu, trans)))];
  const [only] = distinct;
  if (gpus.length === 1 && only) {
    return only;
  }
  return distinct.length === 1 && only
    ? `${gpus.length} × ${only}`
    : trans._n('%1 GPU', '%1 GPUs', gpus.length);
}

function figuresOf(gpu: IGPU, display: IDisplay): string[] {
  const { memory_used_mib: used, memory_total_mib: total } = gpu;
  const memory = isNumber(used) && isNumber(total) ? [memoryOf(used, total, display)] : [];
  const use = isNumber(gpu.utilization_percent) ? [formatUtilization(gpu, display).text] : [];
  return [...memory, ...use];
}

/** Of several GPUs: their memory together, and their mean use. */
function sum(gpus: readonly IGPU[], display: IDisplay): string[] {
  const numbers = (read: (gpu: IGPU) => unknown): number[] =>
    gpus.map(read).filter(value => typeof value === 'number');
  const add = (values: number[]): number => values.reduce((total, value) => total + value, 0);
  const total = numbers(gpu => gpu.memory_total_mib);
  const used = numbers(gpu => gpu.memory_used_mib);
  const use = numbers(gpu => gpu.utilization_percent);
  return [
    ...(used.length > 0 && total.length > 0 ? [memoryOf(add(used), add(total), display)] : []),
    ...(use.length > 0 ? [display.trans.__('%1 %', Math.round(add(use) / use.length))] : [])
  ];
}

function memoryOf(used: number, total: number, { trans, preferences }: IDisplay): string {
  const [part, whole] = [used, total].map(mib => Math.round(inUnit(mib, preferences)));
  // People name GPUs by gigabytes and mean the binary ones; here it is done as they do.
  return trans.__('%1/%2 GB', part ?? 0, whole ?? 0);
}

function line(gpu: IGPU, display: IDisplay): string {
  const { trans } = display;
  const shown = [
    formatMemory(gpu, display),
    formatUtilization(gpu, display),
    formatTemperature(gpu, display)
  ];
  const figures =
    gpu.state === 'ok'
      ? shown.map(({ text }) => text)
      : [stateMessage(gpu.state, gpu.detail, null, trans).title];
  return `${trans.__('GPU %1', gpu.index)}: ${[formatName(gpu, trans), ...figures].join(', ')}`;
}
