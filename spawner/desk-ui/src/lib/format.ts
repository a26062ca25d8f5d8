/** Numbers and times as text, in the language of the reader. Times are Unix time in seconds. */
import { t } from '../strings';
import { language } from '../strings/language';
import { rounded, whole } from './numbers';

// The day comes before the month, as in most of the world, and a day has 24 hours.
const LOCALE = language === 'en' ? 'en-GB' : language;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const CLOCK = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
const dateTimes = new Intl.DateTimeFormat(LOCALE, {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  ...CLOCK
});
const times = new Intl.DateTimeFormat(LOCALE, CLOCK);
const weekdayTimes = new Intl.DateTimeFormat(LOCALE, { weekday: 'short', ...CLOCK });
const utcDays = new Intl.DateTimeFormat(LOCALE, {
  day: 'numeric',
  month: 'short',
  timeZone: 'UTC'
});
const utcMonths = new Intl.DateTimeFormat(LOCALE, {
  month: 'short',
  year: 'numeric',
  timeZone: 'UTC'
});

const two = (value: number) => String(value).padStart(2, '0');

/** The share of *sum* in percent: `12 %`. Never rounds to nothing or to all: `< 1 %`. */
export function percent(value: number, sum: number): string {
  if (!(sum > 0)) return '—';
  const share = (100 * value) / sum;
  if (share > 0 && share < 0.5) return `< ${inPercent(1)}`;
  if (share < 100 && share >= 99.5) return `> ${inPercent(99)}`;
  return inPercent(share);
}

/** A whole number of percent: `12 %`. */
export function inPercent(value: number): string {
  return t.units.percent(whole(value));
}

/** Memory in MiB as GiB, without the unit: `22.5`. */
export function inGibibytes(mib: number): string {
  return rounded(mib / 1024);
}

/** Memory in MiB as GiB: `40 GiB`. */
export function gibibytes(mib: number): string {
  return `${inGibibytes(mib)} GiB`;
}

/** Watts without decimals: `250 W`. */
export function watts(value: number): string {
  return `${whole(value)} W`;
}

/** A duration, at least 0, in its largest units: `2 d 4 h`, `3 h 05 min`, `12 min`, `4 min 08 s`. */
export function duration(seconds: number): string {
  const { days, hours, minutes, seconds: secondsOf } = t.units;
  const left = Math.max(0, Math.floor(seconds));
  const [wholeHours, wholeMinutes] = [Math.floor(left / HOUR), Math.floor(left / MINUTE)];
  if (left >= 2 * DAY) {
    return `${days(whole(Math.floor(left / DAY)))} ${hours(String(wholeHours % 24))}`;
  }
  if (left >= HOUR) return `${hours(String(wholeHours))} ${minutes(two(wholeMinutes % 60))}`;
  if (left >= 10 * MINUTE) return minutes(String(wholeMinutes));
  if (left >= MINUTE) {
    return `${minutes(String(wholeMinutes))} ${secondsOf(two(left % MINUTE))}`;
  }
  return secondsOf(String(left));
}

/** A duration in words, for screen readers: `2 hours and 5 minutes`. */
export function spokenDuration(seconds: number): string {
  const left = Math.max(0, Math.floor(seconds));
  const parts: string[] = [];
  if (left >= DAY) parts.push(t.spoken.days(Math.floor(left / DAY)));
  if (left % DAY >= HOUR) parts.push(t.spoken.hours(Math.floor((left % DAY) / HOUR)));
  if (left < DAY && left % HOUR >= MINUTE)
    parts.push(t.spoken.minutes(Math.floor((left % HOUR) / MINUTE)));
  return parts.length === 0 ? t.spoken.moment : t.spoken.all(parts);
}

/** A day (UTC) without its year: `23 Nov`. */
export function utcDay(seconds: number): string {
  return utcDays.format(seconds * 1000);
}

/** A month (UTC): `Nov 2026`. */
export function utcMonth(seconds: number): string {
  return utcMonths.format(seconds * 1000);
}

/** A date and time: `23 Nov 2026, 15:04`. */
export function dateTime(seconds: number): string {
  return dateTimes.format(seconds * 1000);
}

/** A time of day: `15:04`. */
export function timeOfDay(seconds: number): string {
  return times.format(seconds * 1000);
}

/** Whether two times are on one day in the browser's time zone. */
export function isSameDay(one: number, other: number): boolean {
  return new Date(one * 1000).toDateString() === new Date(other * 1000).toDateString();
}

/** A time close to *now*: `15:04` today, `Tue 15:04` within a week, otherwise with the date. */
export function shortDateTime(seconds: number, now: number): string {
  const then = new Date(seconds * 1000);
  if (isSameDay(seconds, now)) return times.format(then);
  return Math.abs(seconds - now) < 6 * DAY ? weekdayTimes.format(then) : dateTimes.format(then);
}

/** The value of an `<input type="date">` for the day (UTC) of a time. */
export function utcDateInput(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

/** The start of the day (UTC) of an `<input type="date">`; null if it has no valid value. */
export function startOfUtcDay(value: string): number | null {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(value) ? Date.parse(`${value}T00:00:00Z`) : NaN;
  return Number.isNaN(time) ? null : time / 1000;
}

/** The start of the day of an `<input type="date">` in the browser's time zone, or null. */
export function startOfDay(value: string): number | null {
  const [year, month, date] = value.split('-').map(Number);
  if (!year || !month || !date) return null;
  const time = new Date(year, month - 1, date).getTime();
  return Number.isNaN(time) ? null : time / 1000;
}

/** The start of the next day of an `<input type="date">`, also of days with 23 or 25 hours. */
export function startOfNextDay(value: string): number | null {
  const [year, month, date] = value.split('-').map(Number);
  if (!year || !month || !date) return null;
  const time = new Date(year, month - 1, date + 1).getTime();
  return Number.isNaN(time) ? null : time / 1000;
}

/** The value of an `<input type="datetime-local">`, in the browser's time zone. */
export function localInput(seconds: number): string {
  const then = new Date(seconds * 1000);
  const date = `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())}`;
  return `${date}T${two(then.getHours())}:${two(then.getMinutes())}`;
}
