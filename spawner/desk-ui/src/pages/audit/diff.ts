/** What changed between two states of anything that JSON can say, line by line. */
import { moment } from '../../lib/format';

const MOMENT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;

export interface Line {
  /** Where: «boost.max_gpus»; empty when the whole is one value. */
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** The values that differ. null stands for «was not there». */
export function compare(before: unknown, after: unknown): readonly Line[] {
  const old = flatten(before);
  const next = flatten(after);
  const lines: Line[] = [];
  for (const path of new Set([...old.keys(), ...next.keys()])) {
    const line = { path, before: old.get(path) ?? null, after: next.get(path) ?? null };
    if (line.before !== line.after) lines.push(line);
  }
  return lines;
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
    found.set(path, write(value));
  }
  return found;
}

function write(value: unknown): string {
  if (value === null) return 'none';
  if (Array.isArray(value)) return value.map(write).join('; ');
  if (typeof value === 'string')
    return MOMENT.test(value) ? moment(Date.parse(value) / 1000) : value;
  return JSON.stringify(value);
}
