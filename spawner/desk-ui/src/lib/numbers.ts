/** Numbers as text, in the language of the reader. */
import { language } from '../strings/language';

const amounts = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
const smallAmounts = new Intl.NumberFormat(language, { maximumSignificantDigits: 2 });
const wholeNumbers = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });

/** A number with at most one decimal, or with two significant digits below one: `0.0035`. */
export function amount(value: number): string {
  return (Math.abs(value) < 1 ? smallAmounts : amounts).format(value);
}

/** A number with at most one decimal: `22.5`. */
export function rounded(value: number): string {
  return amounts.format(value);
}

/** A whole number: `1,234`. */
export function whole(value: number): string {
  return wholeNumbers.format(value);
}

/** A number with its English noun: `1 GPU`, `0.5 days`, `2 GPUs`. */
export function count(value: number, one: string, many = `${one}s`): string {
  const number = amount(value);
  return `${number} ${number === '1' ? one : many}`;
}
