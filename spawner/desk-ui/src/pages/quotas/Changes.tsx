/** The changes of a quota document, field by field. */
import type { Boost, QuotaChange, QuotaDocument, QuotaValue } from '../../api/types';
import { dateTime } from '../../lib/format';
import { t } from '../../strings';
import { differences, type Difference } from './staging';
import { displayName, fieldsOf, showValue } from './values';

interface ChangesProps extends Pick<QuotaChange, 'level' | 'name'> {
  readonly before: QuotaDocument | null;
  readonly after: QuotaDocument | null;
}

export function Changes({ level, name, before, after }: ChangesProps) {
  return (
    <>
      <strong className="text-break">{displayName({ level, name })}</strong>{' '}
      {level !== 'default' && (
        <span className="text-body-secondary small">{t.quotas.level[level]}</span>
      )}
      {after === null && <p className="mb-0 small">{t.quotas.remove}</p>}
      <ul className="gd-changes list-unstyled mb-0">
        {differences(level, before, after).map(difference => (
          <li key={difference.field}>
            <span className="text-body-secondary">{t.label(fieldName(difference.field))} </span>
            <del>{describe(difference.field, difference.before)}</del>{' '}
            <span aria-hidden="true">→</span>{' '}
            <ins>{describe(difference.field, difference.after)}</ins>
          </li>
        ))}
      </ul>
    </>
  );
}

export function fieldName(field: Difference['field']): string {
  return field === 'boost' ? t.quotas.boost : t.quotas.fields[field];
}

/** Return the value of a field as text; of a boost, its limits and its end. */
export function describe(field: Difference['field'], value: Difference['before']): string {
  if (value === undefined) return t.quotas.notSet;
  if (field !== 'boost') return showValue(field, value as QuotaValue);
  const boost = value as Boost;
  const limits = fieldsOf('group').flatMap(name => {
    const limit = boost[name];
    return limit === undefined ? [] : [`${t.quotas.fields[name]} ${showValue(name, limit)}`];
  });
  return `${t.list(limits)} ${t.quotas.boostUntil(dateTime(Date.parse(boost.until) / 1000))}`;
}
