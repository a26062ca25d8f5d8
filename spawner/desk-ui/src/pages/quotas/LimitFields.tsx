/** The form fields of a quota document. */
import type { QuotaDocument, QuotaField, QuotaValue } from '../../api/types';
import { Field } from '../../components/Field';
import { t } from '../../strings';
import { editText, parseValue } from './values';

/** A text for each field. */
export type Texts = { readonly [field in QuotaField]?: string };

/** Return the texts of the form for a document or a boost. */
export function textsOf(document: QuotaDocument | null, fields: readonly QuotaField[]): Texts {
  return Object.fromEntries(fields.map(field => [field, editText(field, document?.[field])]));
}

/** Return the document for the texts of the form, and a message for each that is not valid. */
export function parseTexts(
  texts: Texts,
  fields: readonly QuotaField[]
): { readonly document: QuotaDocument; readonly problems: Texts } {
  const values = new Map<QuotaField, QuotaValue>();
  const problems = new Map<QuotaField, string>();
  for (const field of fields) {
    const parsed = parseValue(field, texts[field] ?? '');
    if (!parsed.ok) problems.set(field, parsed.message);
    else if (parsed.value !== undefined) values.set(field, parsed.value);
  }
  return { document: Object.fromEntries(values), problems: Object.fromEntries(problems) };
}

interface LimitFieldsProps {
  readonly fields: readonly QuotaField[];
  readonly texts: Texts;
  readonly problems: Texts;
  readonly disabled: boolean;
  readonly onChange: (field: QuotaField, text: string) => void;
}

export function LimitFields({ fields, texts, problems, disabled, onChange }: LimitFieldsProps) {
  return (
    <div className="gd-fields">
      {fields.map(field => {
        const problem = problems[field];
        return (
          <Field key={field} label={t.quotas.fields[field]}>
            {id => (
              <>
                <input
                  id={id}
                  className={`form-control form-control-sm${problem ? ' is-invalid' : ''}`}
                  value={texts[field] ?? ''}
                  placeholder={t.quotas.notSet}
                  title={t.quotas.about[field]}
                  aria-invalid={problem !== undefined}
                  aria-describedby={problem ? `${id}-problem` : undefined}
                  autoComplete="off"
                  disabled={disabled}
                  onChange={event => onChange(field, event.target.value)}
                />
                {problem && (
                  <div className="invalid-feedback" id={`${id}-problem`} role="alert">
                    {problem}
                  </div>
                )}
              </>
            )}
          </Field>
        );
      })}
    </div>
  );
}
