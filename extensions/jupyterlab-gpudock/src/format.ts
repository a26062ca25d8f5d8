import type { TranslationBundle } from '@jupyterlab/translation';

import type { IGPU, Metric } from './api';

/** How much attention a value deserves. */
export type Level = 'normal' | 'notice' | 'alarm';

/** A value as it is shown: the number, its level, and the level in words. */
export interface IShown {
  text: string;
  level: Level;
  word: string;
}

const MEMORY_FILLING = 85;
const MEMORY_NEARLY_FULL = 95;
const BUSY = 90;
/** Assumed where a GPU does not tell at which temperature it slows down, in °C. */
const USUAL_SLOWDOWN_C = 90;
const HOT_BELOW_SLOWDOWN_C = 7;

/** Whether a metric is a number. */
export function isNumber(metric: Metric): metric is number {
  return typeof metric === 'number';
}

/** A part of a whole in per cent, or null when one of them is not known. */
export function share(part: Metric, whole: Metric): number | null {
  return isNumber(part) && isNumber(whole) && whole > 0 ? (100 * part) / whole : null;
}

/** In words, why a number is not there. */
export function missing(metric: Metric, trans: TranslationBundle): string {
  return metric === 'not_supported' ? trans.__('not reported') : trans.__('unknown');
}

/** Gibibytes with one decimal, as memory sizes are known by. */
export function gibibytes(mebibytes: number): string {
  return (mebibytes / 1024).toFixed(1);
}

/** The use of a GPU. */
export function showUse(gpu: IGPU, trans: TranslationBundle): IShown {
  const use = gpu.utilization_percent;
  if (!isNumber(use)) {
    return { text: missing(use, trans), level: 'normal', word: '' };
  }
  const word = use >= BUSY ? trans.__('busy') : use === 0 ? trans.__('idle') : '';
  return { text: trans.__('%1 %', Math.round(use)), level: 'normal', word };
}

/** The memory of a GPU. */
export function showMemory(gpu: IGPU, trans: TranslationBundle): IShown {
  const { memory_used_mib: used, memory_total_mib: total } = gpu;
  if (!isNumber(used)) {
    return { text: missing(used, trans), level: 'normal', word: '' };
  }
  if (!isNumber(total)) {
    return { text: trans.__('%1 GiB', gibibytes(used)), level: 'normal', word: '' };
  }
  const text = trans.__('%1 / %2 GiB', gibibytes(used), gibibytes(total));
  const percent = share(used, total) ?? 0;
  if (percent >= MEMORY_NEARLY_FULL) {
    return { text, level: 'alarm', word: trans.__('nearly full') };
  }
  if (percent >= MEMORY_FILLING) {
    return { text, level: 'notice', word: trans.__('filling up') };
  }
  return { text, level: 'normal', word: '' };
}

/** The temperature of a GPU, against the one at which it slows down. */
export function showTemperature(gpu: IGPU, trans: TranslationBundle): IShown {
  const temperature = gpu.temperature_c;
  if (!isNumber(temperature)) {
    return { text: missing(temperature, trans), level: 'normal', word: '' };
  }
  const text = trans.__('%1 °C', Math.round(temperature));
  const slowdown = isNumber(gpu.temperature_slowdown_c)
    ? gpu.temperature_slowdown_c
    : USUAL_SLOWDOWN_C;
  if (temperature >= slowdown) {
    return { text, level: 'alarm', word: trans.__('too hot') };
  }
  if (temperature >= slowdown - HOT_BELOW_SLOWDOWN_C) {
    return { text, level: 'notice', word: trans.__('hot') };
  }
  return { text, level: 'normal', word: '' };
}

/** The power that a GPU draws, against its limit. */
export function showPower(gpu: IGPU, trans: TranslationBundle): IShown {
  const { power_w: power, power_limit_w: limit } = gpu;
  if (!isNumber(power)) {
    return { text: missing(power, trans), level: 'normal', word: '' };
  }
  const watts = Math.round(power);
  return {
    text: isNumber(limit)
      ? trans.__('%1 / %2 W', watts, Math.round(limit))
      : trans.__('%1 W', watts),
    level: 'normal',
    word: ''
  };
}

/** The clock of a GPU's processors, against the highest one. */
export function showClock(gpu: IGPU, trans: TranslationBundle): IShown {
  const { sm_clock_mhz: clock, sm_clock_max_mhz: highest } = gpu;
  if (!isNumber(clock)) {
    return { text: missing(clock, trans), level: 'normal', word: '' };
  }
  return {
    text: isNumber(highest)
      ? trans.__('%1 / %2 MHz', Math.round(clock), Math.round(highest))
      : trans.__('%1 MHz', Math.round(clock)),
    level: 'normal',
    word: ''
  };
}

/** A span of time in the largest unit that keeps it honest: 12 s, 3 min, 2 h. */
export function showAge(milliseconds: number, trans: TranslationBundle): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) {
    return trans.__('%1 s', seconds);
  }
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? trans.__('%1 min', minutes) : trans.__('%1 h', Math.round(minutes / 60));
}
