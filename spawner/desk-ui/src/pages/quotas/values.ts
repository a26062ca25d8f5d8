/** Quota values between the API and the text that people read and type. */
import { CAPS, LIMITS, type Level, type QuotaField, type QuotaValue } from '../../api/types';
import { amount } from '../../lib/format';
import { t } from '../../strings';

const LARGEST = 1_000_000;
const SEPARATOR = '; ';

type Kind = 'count' | 'amount' | 'positive' | 'weight' | 'models';

const KINDS: { readonly [field in QuotaField]: Kind } = {
  max_gpus: 'count',
  gpu_hours: 'amount',
  window_days: 'positive',
  session_hours: 'positive',
  max_session_hours: 'positive',
  idle_minutes: 'positive',
  weight: 'weight',
  gpu_models: 'models',
  group_max_gpus: 'count',
  group_gpu_hours: 'amount'
};

/** The fields that a document of a level may have, in the order in which they are shown. */
export function fieldsOf(level: Level): readonly QuotaField[] {
  return level === 'group' ? [...LIMITS, ...CAPS] : LIMITS;
}

/** What stands for no limit: «none», and of models «all», where «none» would say the opposite. */
function withoutLimit(field: QuotaField): string {
  return field === 'gpu_models' ? t.quotas.allModels : t.quotas.noLimit;
}

/** A value for reading: «2», «none», «*A100*; *L4*». */
export function showValue(field: QuotaField, value: QuotaValue): string {
  if (value === null) return withoutLimit(field);
  if (typeof value === 'number') return amount(value);
  return value.length === 0 ? t.quotas.noModel : value.join(SEPARATOR);
}

/** A limit in force in words: «2», «no limit», and of models «all». */
export function sayLimit(field: QuotaField, value: QuotaValue): string {
  if (value !== null) return showValue(field, value);
  if (field === 'gpu_models') return t.quotas.allModels;
  return field === 'session_hours' ? t.quotas.asLongest : t.quotas.unlimited;
}

/** A value for editing; `undefined` is «not set here», an empty text. */
export function editText(field: QuotaField, value: QuotaValue | undefined): string {
  if (value === undefined) return '';
  if (value === null) return withoutLimit(field);
  if (typeof value === 'number') return String(value);
  return value.length === 0 ? ';' : value.join(SEPARATOR);
}

/** What somebody typed: a value, `undefined` for «inherit», or the sentence that refuses it. */
export type Parsed =
  | { readonly ok: true; readonly value: QuotaValue | undefined }
  | { readonly ok: false; readonly message: string };

export function parseValue(field: QuotaField, text: string): Parsed {
  const kind = KINDS[field];
  const typed = text.trim();
  if (typed === '') return { ok: true, value: undefined };
  if ([t.quotas.noLimit, withoutLimit(field)].includes(typed.toLowerCase())) {
    if (kind === 'weight') return { ok: false, message: t.quotas.invalid.weight };
    return { ok: true, value: null };
  }
  if (kind === 'models') {
    // As in the CSV: a «;» alone is the empty list, which allows no model.
    const patterns = typed
      .split(';')
      .map(part => part.trim())
      .filter(part => part !== '');
    return { ok: true, value: [...new Set(patterns)] };
  }
  const number = /^\d{1,7}([.,]\d{1,6})?$/.test(typed) ? Number(typed.replace(',', '.')) : NaN;
  const least = kind === 'positive' || kind === 'weight' ? Number.MIN_VALUE : 0;
  const whole = kind !== 'count' || Number.isInteger(number);
  if (!(number >= least && number <= LARGEST && whole)) {
    return { ok: false, message: t.quotas.invalid[kind] };
  }
  return { ok: true, value: number };
}

/** Whether two values are the same limit; `undefined` is the same only as itself. */
export function sameValue(one: QuotaValue | undefined, other: QuotaValue | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
