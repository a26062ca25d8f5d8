import type { TranslationBundle } from '@jupyterlab/translation';

import type { IGPU, Metric } from '../model/contract';
import type { IPreferences } from '../model/settings';

/** What formatting depends on: the user's language and preferences. */
export interface IDisplay {
  readonly trans: TranslationBundle;
  readonly preferences: IPreferences;
}

/** How much attention something deserves. */
export type Level = 'normal' | 'notice' | 'alarm';

/** A value as it is displayed: the number, its level, and a word for the level. */
export interface IDisplayValue {
  text: string;
  level: Level;
  word: string;
}

const BUSY_PERCENT = 90;
const MIB_PER_GB = 1e9 / 2 ** 20;
/** Assumed for a GPU that does not report at which temperature it slows down, in °C. */
const DEFAULT_SLOWDOWN_C = 90;

/** Return whether a metric is a number. */
export function isNumber(metric: Metric): metric is number {
  return typeof metric === 'number';
}

/** Return a part of a whole in percent, or null if one of them is missing. */
export function percentOf(part: Metric, whole: Metric): number | null {
  return isNumber(part) && isNumber(whole) && whole > 0 ? (100 * part) / whole : null;
}

/** Return a value that needs no attention. */
export function plain(text: string): IDisplayValue {
  return { text, level: 'normal', word: '' };
}

/** Return why there is no number. */
export function missingReason(metric: Metric, trans: TranslationBundle): string {
  switch (metric) {
    case 'not_supported':
      return trans.__('not reported');
    case 'nonsense':
      return trans.__('invalid reading');
    default:
      return trans.__('unknown');
  }
}

/** Return a memory size in the preferred unit. */
export function inUnit(mebibytes: number, { memoryUnit }: IPreferences): number {
  return mebibytes / (memoryUnit === 'GB' ? MIB_PER_GB : 1024);
}

/** Format a memory size; small sizes are in megabytes, so that none becomes 0.0. */
export function formatSize(mebibytes: number, { trans, preferences }: IDisplay): string {
  const size = inUnit(mebibytes, preferences);
  if (preferences.memoryUnit === 'GB') {
    return size < 1
      ? trans.__('%1 MB', Math.round(1000 * size))
      : trans.__('%1 GB', size.toFixed(1));
  }
  return size < 1 ? trans.__('%1 MiB', Math.round(mebibytes)) : trans.__('%1 GiB', size.toFixed(1));
}

/** Format a temperature in the preferred unit. */
export function formatDegrees(celsius: number, { trans, preferences }: IDisplay): string {
  return preferences.temperatureUnit === '°F'
    ? trans.__('%1 °F', Math.round((celsius * 9) / 5 + 32))
    : trans.__('%1 °C', Math.round(celsius));
}

/** Format the utilization of a GPU. */
export function formatUtilization(gpu: IGPU, { trans }: IDisplay): IDisplayValue {
  const { utilization_percent: utilization } = gpu;
  if (!isNumber(utilization)) {
    return plain(missingReason(utilization, trans));
  }
  const word =
    utilization >= BUSY_PERCENT ? trans.__('busy') : utilization === 0 ? trans.__('idle') : '';
  return { text: trans.__('%1 %', Math.round(utilization)), level: 'normal', word };
}

/** Format the used and total memory of a GPU. */
export function formatMemory(gpu: IGPU, display: IDisplay): IDisplayValue {
  const { trans, preferences } = display;
  const { memory_used_mib: used, memory_total_mib: total } = gpu;
  if (!isNumber(used)) {
    return plain(missingReason(used, trans));
  }
  if (!isNumber(total)) {
    return plain(formatSize(used, display));
  }
  const [part, whole] = [used, total].map(size => inUnit(size, preferences).toFixed(1));
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

/** Format the temperature of a GPU; its level depends on where the GPU slows down. */
export function formatTemperature(gpu: IGPU, display: IDisplay): IDisplayValue {
  const { trans, preferences } = display;
  const temperature = gpu.temperature_c;
  if (!isNumber(temperature)) {
    return plain(missingReason(temperature, trans));
  }
  const text = formatDegrees(temperature, display);
  const slowdown = isNumber(gpu.temperature_slowdown_c)
    ? gpu.temperature_slowdown_c
    : DEFAULT_SLOWDOWN_C;
  if (temperature >= slowdown) {
    return { text, level: 'alarm', word: trans.__('too hot') };
  }
  if (temperature >= slowdown - preferences.hotBelowSlowdownC) {
    return { text, level: 'notice', word: trans.__('hot') };
  }
  return plain(text);
}

/** Format the power of a GPU, with its limit. */
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

/** Format a clock, with its maximum if known. */
export function formatClock(clock: Metric, max: Metric, trans: TranslationBundle): IDisplayValue {
  if (!isNumber(clock)) {
    return plain(missingReason(clock, trans));
  }
  return plain(
    isNumber(max)
      ? trans.__('%1 / %2 MHz', Math.round(clock), Math.round(max))
      : trans.__('%1 MHz', Math.round(clock))
  );
}

/** Format a duration in one unit: 12 s, 3 min, 2 h. */
export function formatAge(milliseconds: number, trans: TranslationBundle): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) {
    return trans.__('%1 s', seconds);
  }
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? trans.__('%1 min', minutes) : trans.__('%1 h', Math.round(minutes / 60));
}

/** Format remaining time, rounded down: 3 h 12 min, 4 min, 50 s. */
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

/** Return the name of a GPU without its vendor. */
export function formatName(gpu: IGPU, trans: TranslationBundle): string {
  return markSimulated(gpu, modelName(gpu, trans), trans);
}

/** Return the name of a GPU's model without its manufacturer. */
export function modelName(gpu: IGPU, trans: TranslationBundle): string {
  return gpu.name.replace(/^NVIDIA /, '') || trans.__('Unknown GPU');
}

/** Return a GPU's name; that of a simulated one says so. */
export function markSimulated(gpu: IGPU, name: string, trans: TranslationBundle): string {
  return gpu.simulated ? trans.__('%1 (simulated)', name) : name;
}
