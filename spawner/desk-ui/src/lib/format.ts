/** Numbers and times as text. Times are Unix time in seconds. */

const LOCALE = 'en-GB';
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const amounts = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 });
const smallAmounts = new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 2 });
const wholeNumbers = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const dateTimes = new Intl.DateTimeFormat(LOCALE, {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit'
});
const times = new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit' });
const weekdayTimes = new Intl.DateTimeFormat(LOCALE, {
  weekday: 'short',
  hour: '2-digit',
  minute: '2-digit'
});

const two = (value: number) => String(value).padStart(2, '0');

/** A number with at most one decimal, or with two significant digits below one: `0.0035`. */
export function amount(value: number): string {
  return (Math.abs(value) < 1 ? smallAmounts : amounts).format(value);
}

/** A whole number: `1,234`. */
export function whole(value: number): string {
  return wholeNumbers.format(value);
}

/** The share of *sum* in percent: `12 %`. Never rounds to nothing or to all: `< 1 %`. */
export function percent(value: number, sum: number): string {
  if (!(sum > 0)) return '—';
  const share = (100 * value) / sum;
  if (share > 0 && share < 0.5) return '< 1 %';
  if (share < 100 && share >= 99.5) return '> 99 %';
  return `${whole(share)} %`;
}

/** A number with its noun: `1 GPU`, `2 GPUs`. */
export function count(value: number, one: string, many = `${one}s`): string {
  return `${whole(value)} ${value === 1 ? one : many}`;
}

/** Memory in MiB as GiB, without the unit: `22.5`. */
export function inGibibytes(mib: number): string {
  return amounts.format(mib / 1024);
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
  const left = Math.max(0, Math.floor(seconds));
  if (left >= 2 * DAY) {
    return `${Math.floor(left / DAY)} d ${Math.floor((left % DAY) / HOUR)} h`;
  }
  if (left >= HOUR) {
    return `${Math.floor(left / HOUR)} h ${two(Math.floor((left % HOUR) / MINUTE))} min`;
  }
  if (left >= 10 * MINUTE) {
    return `${Math.floor(left / MINUTE)} min`;
  }
  if (left >= MINUTE) {
    return `${Math.floor(left / MINUTE)} min ${two(left % MINUTE)} s`;
  }
  return `${left} s`;
}

/** A duration in words, for screen readers: `2 hours and 5 minutes`. */
export function spokenDuration(seconds: number): string {
  const left = Math.max(0, Math.floor(seconds));
  const parts: string[] = [];
  if (left >= DAY) parts.push(count(Math.floor(left / DAY), 'day'));
  if (left % DAY >= HOUR) parts.push(count(Math.floor((left % DAY) / HOUR), 'hour'));
  if (left < DAY && left % HOUR >= MINUTE)
    parts.push(count(Math.floor((left % HOUR) / MINUTE), 'minute'));
  return parts.length === 0 ? 'less than a minute' : parts.join(' and ');
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
