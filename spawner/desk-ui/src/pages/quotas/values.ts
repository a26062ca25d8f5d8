/** Conversion of quota values between the API and the text that users read and enter. */
import type { Level, Limit, QuotaField, QuotaValue } from '../../api/types';
import { amount } from '../../lib/numbers';
import { t } from '../../strings';

const MAX_VALUE = 1_000_000;
const MAX_WEIGHT = 1000;
/** The least number that makes sense. Hours may be 0 as well. */
const LEAST: Readonly<Record<Kind, number>> = {
  count: 0,
  amount: 0.01,
  positive: 0.01,
  weight: 0.001,
  models: 0
};
const SEPARATOR = '; ';

type Kind = 'count' | 'amount' | 'positive' | 'weight' | 'models';

const LIMIT_KINDS: { readonly [limit in Limit]: Kind } = {
  max_gpus: 'count',
  gpu_hours: 'amount',
  window_days: 'positive',
  session_hours: 'positive',
  max_session_hours: 'positive',
  idle_minutes: 'positive',
  weight: 'weight',
  gpu_models: 'models'
};
const KINDS: { readonly [field in QuotaField]: Kind } = {
  ...LIMIT_KINDS,
  group_max_gpus: 'count',
  group_gpu_hours: 'amount'
};

/** The limits of a user, in the order in which they are shown. */
export const LIMITS = Object.keys(LIMIT_KINDS) as readonly Limit[];
const GROUP_FIELDS = Object.keys(KINDS) as readonly QuotaField[];

/** Return the fields that a document of a level may have. */
export function fieldsOf(level: Level): readonly QuotaField[] {
  return level === 'group' ? GROUP_FIELDS : LIMITS;
}

/** Return the name of a user, of a group, or of the default. */
export function displayName({ level, name }: { readonly level: Level; readonly name: string }) {
  return level === 'default' ? t.quotas.defaultName : name;
}

/** Return the text for no limit. For models it is `all`, because `none` would mean the opposite. */
function noLimit(field: QuotaField): string {
  return field === 'gpu_models' ? t.quotas.allModels : t.quotas.noLimit;
}

/** Whether a text stands for no limit, in the language of the reader or as in the CSV file. */
function meansNoLimit(field: QuotaField, text: string): boolean {
  return (
    [t.quotas.noLimit, 'none'].includes(text) ||
    (field === 'gpu_models' && [t.quotas.allModels, 'all'].includes(text))
  );
}

/** Return a value as text: `2`, `none`, `*A100*; *L4*`. */
export function showValue(field: QuotaField, value: QuotaValue): string {
  if (value === null) return noLimit(field);
  if (typeof value === 'number') return amount(value);
  return value.length === 0 ? t.quotas.noModel : value.join(SEPARATOR);
}

/** Return a limit in force as text: `2`, `no limit`. */
export function describeLimit(field: QuotaField, value: QuotaValue): string {
  if (value !== null || field === 'gpu_models') return showValue(field, value);
  return field === 'session_hours' ? t.quotas.sameAsMax : t.quotas.unlimited;
}

/** Return a value as text for an input; the text of `undefined`, a value that is not set, is empty. */
export function editText(field: QuotaField, value: QuotaValue | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  return value?.length === 0 ? ';' : showValue(field, value);
}

/** A parsed value, where `undefined` means "inherit", or the message that explains the problem. */
export type Parsed =
  | { readonly ok: true; readonly value: QuotaValue | undefined }
  | { readonly ok: false; readonly message: string };

export function parseValue(field: QuotaField, input: string): Parsed {
  const kind = KINDS[field];
  const text = input.trim();
  if (text === '') return { ok: true, value: undefined };
  if (meansNoLimit(field, text.toLowerCase())) {
    if (kind === 'weight') return { ok: false, message: t.quotas.invalid.weight };
    return { ok: true, value: null };
  }
  if (kind === 'models') {
    // As in the CSV file, a single ";" is the empty list, which allows no model.
    const patterns = text
      .split(';')
      .map(part => part.trim())
      .filter(part => part !== '');
    return { ok: true, value: [...new Set(patterns)] };
  }
  const number = /^\d{1,7}([.,]\d{1,6})?$/.test(text) ? Number(text.replace(',', '.')) : NaN;
  const max = kind === 'weight' ? MAX_WEIGHT : MAX_VALUE;
  const inside = (number >= LEAST[kind] && number <= max) || (kind === 'amount' && number === 0);
  const whole = kind !== 'count' || Number.isInteger(number);
  if (!inside || !whole) {
    return { ok: false, message: t.quotas.invalid[kind] };
  }
  return { ok: true, value: number };
}

/** Return whether two values are the same limit. `undefined` equals only itself. */
export function sameValue(one: QuotaValue | undefined, other: QuotaValue | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
