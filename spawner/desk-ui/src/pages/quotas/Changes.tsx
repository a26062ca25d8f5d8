/** What a change of a document does, field by field. */
import type { Level, QuotaDocument, QuotaValue } from '../../api/types';
import { moment } from '../../lib/format';
import { t } from '../../strings';
import { boostFields, differences, type Difference } from './staging';
import { fieldsOf, showValue } from './values';

interface ChangesProps {
  readonly level: Level;
  readonly before: QuotaDocument | null;
  readonly after: QuotaDocument | null;
}

export function Changes({ level, before, after }: ChangesProps) {
  const changed = differences(level, before, after);
  return (
    <ul className="gd-changes list-unstyled mb-0">
      {changed.map(difference => (
        <li key={difference.field}>
          <span className="text-body-secondary">{fieldName(difference.field)}: </span>
          <del>{describe(difference.field, difference.before)}</del>{' '}
          <span aria-hidden="true">→</span>{' '}
          <ins>{describe(difference.field, difference.after)}</ins>
        </li>
      ))}
    </ul>
  );
}

export function fieldName(field: Difference['field']): string {
  return field === 'boost' ? t.quotas.boost : t.quotas.fields[field];
}

/** A field's value in words; a boost with its limits. */
export function describe(field: Difference['field'], value: Difference['before']): string {
  if (field !== 'boost') {
    return value === undefined ? t.quotas.notSet : showValue(field, value as QuotaValue);
  }
  const boost = value as QuotaDocument['boost'];
  if (boost === undefined) return t.quotas.notSet;
  const limits = boostFields(boost);
  const parts = fieldsOf('group').flatMap(name => {
    const limit = limits[name];
    return limit === undefined ? [] : [`${t.quotas.fields[name]} ${showValue(name, limit)}`];
  });
  return `${parts.join(', ')} ${t.quotas.boostUntil(moment(Date.parse(boost.until) / 1000))}`;
}
