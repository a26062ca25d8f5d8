import type { TranslationBundle } from '@jupyterlab/translation';

import type { IGPU, Metric } from '../model/contract';
import type { IPreferences } from '../model/settings';
import type { IDisplay } from '../components/display';

/** How much attention a value deserves. */
export type Level = 'normal' | 'notice' | 'alarm';

/** A value as it is shown: the number, its level, and the level in words. */
export interface IDisplayValue {
  text: string;
  level: Level;
  word: string;
}

const BUSY = 90;
const MIB_PER_GB = 1e9 / 2 ** 20;
/** Assumed where a GPU does not tell at which temperature it slows down, in °C. */
const USUAL_SLOWDOWN_C = 90;

/** Whether a metric is a number. */
export function isNumber(metric: Metric): metric is number {
  return typeof metric === 'number';
}

/** A part of a whole in per cent, or null when one of them is not known. */
export function percentOf(part: Metric, whole: Metric): number | null {
  return isNumber(part) && isNumber(whole) && whole > 0 ? (100 * part) / whole : null;
}

/** In words, why a number is not there. */
export function missingReason(metric: Metric, trans: TranslationBundle): string {
  switch (metric) {
    case 'not_supported':
      return trans.__('not reported');
    case 'nonsense':
      return trans.__('impossible reading');
    default:
      return trans.__('unknown');
  }
}

/** A size of memory in the preferred unit, without its name. */
export function inUnit(mebibytes: number, { memoryUnit }: IPreferences): number {
  return mebibytes / (memoryUnit === 'GB' ? MIB_PER_GB : 1024);
}

/** A size of memory with its unit: small ones in megabytes, so that none becomes 0.0. */
export function formatSize(mebibytes: number, { trans, preferences }: IDisplay): string {
  const size = inUnit(mebibytes, preferences);
  if (preferences.memoryUnit === 'GB') {
    return size < 1 ? trans.__('%1 MB', Math.round(1000 * size)) : trans.__('%1 GB', one(size));
  }
  return size < 1 ? trans.__('%1 MiB', Math.round(mebibytes)) : trans.__('%1 GiB', one(size));
}

/** A temperature in the preferred unit. */
export function formatDegrees(celsius: number, { trans, preferences }: IDisplay): string {
  return preferences.temperatureUnit === '°F'
    ? trans.__('%1 °F', Math.round((celsius * 9) / 5 + 32))
    : trans.__('%1 °C', Math.round(celsius));
}

function one(value: number): string {
  return value.toFixed(1);
}

/** The use of a GPU. */
export function formatUtilization(gpu: IGPU, { trans }: IDisplay): IDisplayValue {
  const use = gpu.utilization_percent;
  if (!isNumber(use)) {
    return plain(missingReason(use, trans));
  }
  const word = use >= BUSY ? trans.__('busy') : use === 0 ? trans.__('idle') : '';
  return { text: trans.__('%1 %', Math.round(use)), level: 'normal', word };
}

/** The memory of a GPU. */
export function formatMemory(gpu: IGPU, display: IDisplay): IDisplayValue {
  const { trans, preferences } = display;
  const { memory_used_mib: used, memory_total_mib: total } = gpu;
  if (!isNumber(used)) {
    return plain(missingReason(used, trans));
  }
  if (!isNumber(total)) {
    return plain(formatSize(used, display));
  }
  const [part, whole] = [one(inUnit(used, preferences)), one(inUnit(total, preferences))];
  const text =
    preferences.memoryUnit === 'GB'
      ? trans.__('%1 / %2 GB', part, whole)
      : trans.__('%1 / %2 GiB', part, whole);
  const percent = percentOf(used, total) ?? 0;
  if (percent >= preferences.memoryFullPercent) {
    return { text, level: 'alarm', word: trans.__('nearly full') };
  }
  if (percent >= preferences.memoryFillingPercent) {
    return { text, level: 'notice', word: trans.__('filling up') };
  }
  return plain(text);
}

/** The temperature of a GPU, against the one at which it slows down. */
export function formatTemperature(gpu: IGPU, display: IDisplay): IDisplayValue {
  const { trans, preferences } = display;
  const temperature = gpu.temperature_c;
  if (!isNumber(temperature)) {
    return plain(missingReason(temperature, trans));
  }
  const text = formatDegrees(temperature, display);
  const slowdown = isNumber(gpu.temperature_slowdown_c)
    ? gpu.temperature_slowdown_c
    : USUAL_SLOWDOWN_C;
  if (temperature >= slowdown) {
    return { text, level: 'alarm', word: trans.__('too hot') };
  }
  if (temperature >= slowdown - preferences.hotBelowSlowdownC) {
    return { text, level: 'notice', word: trans.__('hot') };
  }
  return plain(text);
}

/** The power that a GPU draws, against its limit. */
export function formatPower(gpu: IGPU, { trans }: IDisplay): IDisplayValue {
  const { power_w: power, power_limit_w: limit } = gpu;
  if (!isNumber(power)) {
    return plain(missingReason(power, trans));
  }
  const watts = Math.round(power);
  return plain(
    isNumber(limit) ? trans.__('%1 / %2 W', watts, Math.round(limit)) : trans.__('%1 W', watts)
  );
}

/** A clock, against the highest one if that is known. */
export function formatClock(
  clock: Metric,
  highest: Metric,
  trans: TranslationBundle
): IDisplayValue {
  if (!isNumber(clock)) {
    return plain(missingReason(clock, trans));
  }
  return plain(
    isNumber(highest)
      ? trans.__('%1 / %2 MHz', Math.round(clock), Math.round(highest))
      : trans.__('%1 MHz', Math.round(clock))
  );
}

/** A span of time in the largest unit that keeps it honest: 12 s, 3 min, 2 h. */
export function formatAge(milliseconds: number, trans: TranslationBundle): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) {
    return trans.__('%1 s', seconds);
  }
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? trans.__('%1 min', minutes) : trans.__('%1 h', Math.round(minutes / 60));
}

/** Time that is left, rounded down so that nobody is promised more: 3 h 12 min, 4 min, 50 s. */
export function formatTimeLeft(milliseconds: number, trans: TranslationBundle): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) {
    return trans.__('%1 s', seconds);
  }
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? trans.__('%1 min', minutes)
    : trans.__('%1 h %2 min', Math.floor(minutes / 60), minutes % 60);
}

/** A GPU's name as people say it: without the maker. */
export function formatName(gpu: IGPU, trans: TranslationBundle): string {
  return gpu.name.replace(/^NVIDIA /, '') || trans.__('Unknown GPU');
}

function plain(text: string): IDisplayValue {
  return { text, level: 'normal', word: '' };
}
