/** The differences between two JSON values. */
import type { AuditRow } from '../../api/types';
import { dateTime } from '../../lib/format';
import { t } from '../../strings';

const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;

export interface Line {
  /** For example `boost.max_gpus`; empty if the value is no object. */
  readonly path: string;
  /** null: the value did not exist. */
  readonly before: string | null;
  readonly after: string | null;
}

/** Return what an entry of the audit log changed, in words where its values are for programs. */
export function changes(row: AuditRow): readonly Line[] {
  switch (row.what) {
    case 'lease.extend':
      return compare(endOf(row.before), endOf(row.after));
    case 'lease.release':
      return compare(t.audit.running, t.audit.stopped);
    case 'group.create':
      return compare(null, t.audit.created);
    case 'queue.cancel':
      return compare(t.audit.waiting, t.audit.removed);
    case 'account.admin':
      return compare(role(row.before), role(row.after));
    case 'gpu.state':
      return compare(inWords(row.before, t.audit.gpuValues), inWords(row.after, t.audit.gpuValues));
    default:
      return row.what.startsWith('account.')
        ? compare(inWords(row.before, t.audit.values), inWords(row.after, t.audit.values))
        : compare(row.before, row.after);
  }
}

function role(isAdministrator: unknown): string {
  return isAdministrator === true ? t.audit.administrator : t.audit.user;
}

function inWords(value: unknown, words: Readonly<Record<string, string>>): unknown {
  return typeof value === 'string' ? (words[value] ?? value) : value;
}

function endOf(value: unknown): string {
  return typeof value === 'number' ? dateTime(value) : t.audit.noEnd;
}

/** Return the values that differ, as text. */
export function compare(before: unknown, after: unknown): readonly Line[] {
  const old = flatten(before);
  const next = flatten(after);
  return [...new Set([...old.keys(), ...next.keys()])]
    .map(path => ({ path, before: old.get(path) ?? null, after: next.get(path) ?? null }))
    .filter(line => line.before !== line.after);
}

function flatten(
  value: unknown,
  path = '',
  found = new Map<string, string>()
): Map<string, string> {
  if (value === undefined || (value === null && path === '')) return found;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [name, inner] of Object.entries(value)) {
      flatten(inner, path === '' ? name : `${path}.${name}`, found);
    }
  } else {
    found.set(path, toText(value));
  }
  return found;
}

function toText(value: unknown): string {
  if (value === null) return t.audit.noLimit;
  if (Array.isArray(value)) return value.map(toText).join('; ');
  if (typeof value !== 'string') return JSON.stringify(value);
  return TIMESTAMP.test(value) ? dateTime(Date.parse(value) / 1000) : value;
}
