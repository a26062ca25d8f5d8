/** The fields of a document in a form; what is typed is kept until it is taken. */
import { useId } from 'react';
import type { QuotaField, QuotaFields, QuotaValue } from '../../api/types';
import { t } from '../../strings';
import { editText, parseValue } from './values';

/** What stands in a form's fields. */
export type Typed = { readonly [field in QuotaField]?: string };

export function typedOf(
  document: QuotaFields | null | undefined,
  fields: readonly QuotaField[]
): Typed {
  return Object.fromEntries(fields.map(field => [field, editText(field, document?.[field])]));
}

/** The document that was typed, or the sentences on what cannot be taken. */
export function readTyped(
  typed: Typed,
  fields: readonly QuotaField[]
): { readonly document: QuotaFields; readonly problems: Typed } {
  const document: { [field in QuotaField]?: QuotaValue } = {};
  const problems: { [field in QuotaField]?: string } = {};
  for (const field of fields) {
    const parsed = parseValue(field, typed[field] ?? '');
    if (!parsed.ok) problems[field] = parsed.message;
    else if (parsed.value !== undefined) document[field] = parsed.value;
  }
  return { document, problems };
}

interface LimitFieldsProps {
  readonly fields: readonly QuotaField[];
  readonly typed: Typed;
  readonly problems: Typed;
  readonly disabled: boolean;
  readonly onType: (field: QuotaField, text: string) => void;
}

export function LimitFields({ fields, typed, problems, disabled, onType }: LimitFieldsProps) {
  const id = useId();
  return (
    <div className="gd-fields">
      {fields.map(field => {
        const problem = problems[field];
        const about = `${id}-${field}-about`;
        return (
          <div key={field}>
            <label className="form-label mb-1" htmlFor={`${id}-${field}`}>
              {t.quotas.fields[field]}
            </label>
            <input
              id={`${id}-${field}`}
              className={`form-control form-control-sm${problem ? ' is-invalid' : ''}`}
              value={typed[field] ?? ''}
              placeholder={t.quotas.notSet}
              title={t.quotas.about[field]}
              aria-invalid={problem !== undefined}
              aria-describedby={problem ? about : undefined}
              autoComplete="off"
              disabled={disabled}
              onChange={event => onType(field, event.target.value)}
            />
            {problem && (
              <div className="invalid-feedback" id={about} role="alert">
                {problem}
              </div>
            )}
          </div>
        );
      })}
    </div>
  );
}
