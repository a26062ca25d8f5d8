/**
 * Quota changes that are not saved yet.
 *
 * An edit changes a copy of the stored document and keeps the revision it was made from, so that
 * two people who edit at the same time both see what the other did. An edit that returns to the
 * stored document is no change.
 */
import type {
  Boost,
  Level,
  QuotaChange,
  QuotaDocument,
  QuotaField,
  QuotaValue
} from '../../api/types';
import { fieldsOf, sameValue } from './values';

export interface StagedChange extends QuotaChange {
  /** The document that the edit started from. */
  readonly base: QuotaDocument | null;
}

/** By {@link keyOf}. */
export type Staged = ReadonlyMap<string, StagedChange>;

export function keyOf(item: { readonly level: Level; readonly name: string }): string {
  return `${item.level}/${item.name}`;
}

/** Return the document of a row with its staged change. */
export function currentDocument(staged: Staged, row: QuotaChange): QuotaDocument | null {
  return (staged.get(keyOf(row)) ?? row).document;
}

/** Stage *document* as the new document of *row*. */
export function stage(staged: Staged, row: QuotaChange, document: QuotaDocument | null): Staged {
  const { level, name } = row;
  const { base, revision } = staged.get(keyOf(row)) ?? { ...row, base: row.document };
  if (differences('group', base, document).length === 0) return unstage(staged, keyOf(row));
  const change = { level, name, base, document: emptyToNull(document), revision };
  return new Map(staged).set(keyOf(row), change);
}

/** Stage one field; `undefined` removes it from the document. */
export function stageField(
  staged: Staged,
  row: QuotaChange,
  field: QuotaField,
  value: QuotaValue | undefined
): Staged {
  return stage(staged, row, withField(currentDocument(staged, row), field, value));
}

/** Remove the staged change of a document. */
export function unstage(staged: Staged, key: string): Staged {
  const next = new Map(staged);
  next.delete(key);
  return next;
}

/** Return the changes as the API expects them. */
export function toChanges(staged: Staged): readonly QuotaChange[] {
  return [...staged.values()].map(({ base, ...change }) => change);
}

/** Return a copy of *document* with *field* set, or without it. */
function withField(
  document: QuotaDocument | null,
  field: QuotaField | 'boost',
  value: QuotaValue | Boost | undefined
): QuotaDocument {
  const { [field]: removed, ...rest } = document ?? {};
  return value === undefined ? rest : { ...rest, [field]: value };
}

export interface Difference {
  readonly field: QuotaField | 'boost';
  readonly before: QuotaValue | Boost | undefined;
  readonly after: QuotaValue | Boost | undefined;
}

/** Return the fields in which two documents of a level differ. */
export function differences(
  level: Level,
  before: QuotaDocument | null,
  after: QuotaDocument | null
): readonly Difference[] {
  const found: Difference[] = fieldsOf(level)
    .filter(field => !sameValue(before?.[field], after?.[field]))
    .map(field => ({ field, before: before?.[field], after: after?.[field] }));
  if (!sameBoost(before?.boost, after?.boost)) {
    found.push({ field: 'boost', before: before?.boost, after: after?.boost });
  }
  return found;
}

/**
 * Apply an edit to the document that someone else saved in the meantime. Fields that the edit
 * changed keep its values, all others have the saved ones.
 */
export function rebase(change: StagedChange, stored: QuotaChange): StagedChange {
  const document = differences(change.level, change.base, change.document).reduce(
    (next, { field, after }) => withField(next, field, after),
    stored.document ?? {}
  );
  return {
    ...change,
    base: stored.document,
    document: emptyToNull(document),
    revision: stored.revision
  };
}

function sameBoost(one: Boost | undefined, other: Boost | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return (
    Date.parse(one.until) === Date.parse(other.until) &&
    fieldsOf('group').every(field => sameValue(one[field], other[field]))
  );
}

function emptyToNull(document: QuotaDocument | null): QuotaDocument | null {
  return document !== null && Object.keys(document).length === 0 ? null : document;
}
