/**
 * Changes of quota documents that are not saved yet.
 *
 * An edit changes a copy of the stored document and remembers the revision that it was made from.
 * An edit that comes back to what is stored is no change any more.
 */
import {
  type Level,
  type QuotaChange,
  type QuotaDocument,
  type QuotaField,
  type QuotaFields,
  type QuotaValue
} from '../../api/types';
import { fieldsOf, sameValue } from './values';

export interface StagedChange {
  readonly level: Level;
  readonly name: string;
  /** The document that the edit began with. */
  readonly base: QuotaDocument | null;
  /** The document as it shall be. */
  readonly document: QuotaDocument | null;
  readonly revision: number;
}

/** By {@link keyOf}. */
export type Staged = ReadonlyMap<string, StagedChange>;

interface Stored {
  readonly level: Level;
  readonly name: string;
  readonly document: QuotaDocument | null;
  readonly revision: number;
}

export function keyOf(item: { readonly level: Level; readonly name: string }): string {
  return `${item.level}/${item.name}`;
}

/** The document as it would be with the staged changes. */
export function current(staged: Staged, row: Stored): QuotaDocument | null {
  const change = staged.get(keyOf(row));
  return change === undefined ? row.document : change.document;
}

/** Stage *document* as what *row* shall have. */
export function stage(staged: Staged, row: Stored, document: QuotaDocument | null): Staged {
  const key = keyOf(row);
  const before = staged.get(key);
  const base = before === undefined ? row.document : before.base;
  const next = new Map(staged);
  if (sameDocument(base, document)) {
    next.delete(key);
  } else {
    const revision = before === undefined ? row.revision : before.revision;
    next.set(key, { level: row.level, name: row.name, base, document: tidy(document), revision });
  }
  return next;
}

/** Stage one field; `undefined` takes it out of the document. */
export function stageField(
  staged: Staged,
  row: Stored,
  field: QuotaField,
  value: QuotaValue | undefined
): Staged {
  return stage(staged, row, withField(current(staged, row), field, value));
}

/** Forget the staged change of a document. */
export function unstage(staged: Staged, key: string): Staged {
  const next = new Map(staged);
  next.delete(key);
  return next;
}

/** The changes as the API takes them. */
export function toChanges(staged: Staged): readonly QuotaChange[] {
  return [...staged.values()].map(({ level, name, document, revision }) => ({
    level,
    name,
    document,
    revision
  }));
}

/** A copy of *document* with *field* set, or without it. */
export function withField(
  document: QuotaDocument | null,
  field: QuotaField,
  value: QuotaValue | undefined
): QuotaDocument {
  const { [field]: removed, ...rest } = document ?? {};
  return value === undefined ? rest : { ...rest, [field]: value };
}

/** One line of a comparison of documents. */
export interface Difference {
  readonly field: QuotaField | 'boost';
  readonly before: QuotaValue | QuotaDocument['boost'];
  readonly after: QuotaValue | QuotaDocument['boost'];
}

/** The fields in which two documents of a level differ. */
export function differences(
  level: Level,
  before: QuotaDocument | null,
  after: QuotaDocument | null
): readonly Difference[] {
  const found: Difference[] = [];
  for (const field of fieldsOf(level)) {
    if (!sameValue(before?.[field], after?.[field])) {
      found.push({ field, before: before?.[field], after: after?.[field] });
    }
  }
  if (!sameBoost(before?.boost, after?.boost)) {
    found.push({ field: 'boost', before: before?.boost, after: after?.boost });
  }
  return found;
}

/**
 * Put somebody's edit on top of what somebody else saved meanwhile: the fields that the edit
 * touched are the edit's, all others are the saved document's.
 */
export function rebase(change: StagedChange, stored: Stored): StagedChange {
  const touched = differences(change.level, change.base, change.document);
  let document: QuotaDocument = { ...stored.document };
  for (const { field } of touched) {
    if (field === 'boost') {
      const { boost: removed, ...rest } = document;
      const boost = change.document?.boost;
      document = boost === undefined ? rest : { ...rest, boost };
    } else {
      document = withField(document, field, change.document?.[field]);
    }
  }
  return { ...change, base: stored.document, document: tidy(document), revision: stored.revision };
}

function sameDocument(one: QuotaDocument | null, other: QuotaDocument | null): boolean {
  return differences('group', one, other).length === 0;
}

function sameBoost(one: QuotaDocument['boost'], other: QuotaDocument['boost']): boolean {
  if (one === undefined || other === undefined) return one === other;
  return (
    Date.parse(one.until) === Date.parse(other.until) &&
    fieldsOf('group').every(field => sameValue(one[field], other[field]))
  );
}

/** A document that sets nothing is none. */
function tidy(document: QuotaDocument | null): QuotaDocument | null {
  return document !== null && Object.keys(document).length === 0 ? null : document;
}

/** A boost's own fields. */
export function boostFields(boost: NonNullable<QuotaDocument['boost']>): QuotaFields {
  const { until, ...fields } = boost;
  return fields;
}
