/** Numbers, amounts and moments as people read them. Times are seconds since the Unix epoch. */

const LOCALE = 'en-GB';
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const amounts = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 });
const smallAmounts = new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 2 });
const wholeNumbers = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const moments = new Intl.DateTimeFormat(LOCALE, {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit'
});
const days = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short', year: 'numeric' });
const clocks = new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit' });
const weekdays = new Intl.DateTimeFormat(LOCALE, {
  weekday: 'short',
  hour: '2-digit',
  minute: '2-digit'
});

/** A number with at most one decimal, and below one with two digits that say something: «0.0035». */
export function amount(value: number): string {
  return (Math.abs(value) < 1 ? smallAmounts : amounts).format(value);
}

/** A whole number: «1,234». */
export function whole(value: number): string {
  return wholeNumbers.format(value);
}

/** How much of *sum* it is: «12 %»; neither something small as nothing nor nearly all as all. */
export function portion(value: number, sum: number): string {
  if (!(sum > 0)) return '—';
  const percent = (100 * value) / sum;
  if (percent > 0 && percent < 0.5) return '< 1 %';
  if (percent < 100 && percent >= 99.5) return '> 99 %';
  return `${whole(percent)} %`;
}

/** «1 GPU», «2 GPUs». */
export function count(value: number, one: string, many = `${one}s`): string {
  return `${whole(value)} ${value === 1 ? one : many}`;
}

/** Memory in MiB as GiB, without the unit: «22.5». */
export function inGibibytes(mib: number): string {
  return amounts.format(mib / 1024);
}

/** Memory in MiB as GiB: «40 GiB». */
export function gibibytes(mib: number): string {
  return `${inGibibytes(mib)} GiB`;
}

/** Watts without decimals: «250 W». */
export function watts(value: number): string {
  return `${whole(value)} W`;
}

/**
 * A length of time in its two largest units: «2 d 4 h», «3 h 05 min», «12 min», and in the last
 * ten minutes also seconds, «4 min 08 s». Never negative.
 */
export function duration(seconds: number): string {
  const left = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
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

/** The same in words for people who listen: «2 hours and 5 minutes». */
export function spokenDuration(seconds: number): string {
  const left = Math.max(0, Math.floor(seconds));
  const parts: string[] = [];
  if (left >= DAY) parts.push(count(Math.floor(left / DAY), 'day'));
  if (left % DAY >= HOUR) parts.push(count(Math.floor((left % DAY) / HOUR), 'hour'));
  if (left < DAY && left % HOUR >= MINUTE)
    parts.push(count(Math.floor((left % HOUR) / MINUTE), 'minute'));
  return parts.length === 0 ? 'less than a minute' : parts.join(' and ');
}

/** A moment with its date: «23 Nov 2026, 15:04». */
export function moment(seconds: number): string {
  return moments.format(seconds * 1000);
}

/** A day: «23 Nov 2026». */
export function day(seconds: number): string {
  return days.format(seconds * 1000);
}

/** A moment near *now*: «15:04» today, «Tue 15:04» within a week, else with the date. */
export function near(seconds: number, now: number): string {
  const then = new Date(seconds * 1000);
  if (new Date(now * 1000).toDateString() === then.toDateString()) {
    return clocks.format(then);
  }
  return Math.abs(seconds - now) < 6 * DAY ? weekdays.format(then) : moments.format(then);
}

/** The value of an `<input type="date">` for a moment, in the browser's time zone. */
export function dateInput(seconds: number): string {
  const then = new Date(seconds * 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())}`;
}

/** The day (UTC) of a moment, as an `<input type="date">` has it. */
export function utcDateInput(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

/** The first moment of the day (UTC) that an `<input type="date">` says. */
export function startOfUtcDay(value: string): number | null {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(value) ? Date.parse(`${value}T00:00:00Z`) : NaN;
  return Number.isNaN(time) ? null : time / 1000;
}

/** The first moment of the day that an `<input type="date">` says, in the browser's time zone. */
export function startOfDay(value: string): number | null {
  const [year, month, date] = value.split('-').map(Number);
  if (!year || !month || !date) return null;
  const time = new Date(year, month - 1, date).getTime();
  return Number.isNaN(time) ? null : time / 1000;
}

/** The value of an `<input type="datetime-local">` for a moment, in the browser's time zone. */
export function localInput(seconds: number): string {
  const then = new Date(seconds * 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${dateInput(seconds)}T${two(then.getHours())}:${two(then.getMinutes())}`;
}
