/** Gives one limit of many rows the same value. */
import { useId, useState } from 'react';
import type { Level, QuotaField, QuotaValue } from '../../api/types';
import { Dialog } from '../../components/Dialog';
import { t } from '../../strings';
import { fieldsOf, parseValue } from './values';

interface BulkDialogProps {
  readonly level: Level;
  readonly count: number;
  readonly onApply: (field: QuotaField, value: QuotaValue | undefined) => void;
  readonly onClose: () => void;
}

type What = 'set' | 'none' | 'inherit';

export function BulkDialog({ level, count, onApply, onClose }: BulkDialogProps) {
  const id = useId();
  const [field, setField] = useState<QuotaField>('max_gpus');
  const [what, setWhat] = useState<What>('set');
  const [text, setText] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const choices: readonly [What, string][] = [
    ['set', t.quotas.bulkSet],
    ['none', t.quotas.bulkNone],
    ['inherit', t.quotas.bulkInherit]
  ];
  const apply = () => {
    const typed = what === 'set' ? text : what === 'none' ? t.quotas.noLimit : '';
    const parsed = parseValue(field, typed);
    if (!parsed.ok) setProblem(parsed.message);
    else if (what === 'set' && parsed.value === undefined) setProblem(t.quotas.invalid.needed);
    else onApply(field, parsed.value);
  };
  return (
    <Dialog
      title={t.quotas.bulkTitle(count)}
      onClose={onClose}
      footer={
        <>
          <button type="button" className="btn btn-outline-secondary" onClick={onClose}>
            {t.cancel}
          </button>
          <button type="submit" form={`${id}-form`} className="btn btn-primary">
            {t.quotas.bulkAction}
          </button>
        </>
      }
    >
      <form
        id={`${id}-form`}
        onSubmit={event => {
          event.preventDefault();
          apply();
        }}
      >
        <label className="form-label" htmlFor={`${id}-field`}>
          {t.quotas.bulkField}
        </label>
        <select
          data-first
          id={`${id}-field`}
          className="form-select mb-1"
          value={field}
          onChange={event => {
            setField(event.target.value as QuotaField);
            setProblem(null);
          }}
        >
          {fieldsOf(level).map(name => (
            <option key={name} value={name}>
              {t.quotas.fields[name]}
            </option>
          ))}
        </select>
        <p className="form-text">{t.quotas.about[field]}</p>
        <fieldset>
          <legend className="fs-6">{t.quotas.bulkWhat}</legend>
          {choices
            .filter(([choice]) => choice !== 'none' || field !== 'weight')
            .map(([choice, label]) => (
              <div className="form-check" key={choice}>
                <input
                  type="radio"
                  className="form-check-input"
                  id={`${id}-${choice}`}
                  name={`${id}-what`}
                  checked={what === choice}
                  onChange={() => {
                    setWhat(choice);
                    setProblem(null);
                  }}
                />
                <label className="form-check-label" htmlFor={`${id}-${choice}`}>
                  {label}
                </label>
              </div>
            ))}
        </fieldset>
        {what === 'set' && (
          <input
            className={`form-control mt-2${problem ? ' is-invalid' : ''}`}
            aria-label={t.quotas.bulkWhat}
            aria-invalid={problem !== null}
            value={text}
            autoComplete="off"
            onChange={event => {
              setText(event.target.value);
              setProblem(null);
            }}
          />
        )}
        {problem && (
          <div className="text-danger small mt-1" role="alert">
            {problem}
          </div>
        )}
      </form>
    </Dialog>
  );
}
