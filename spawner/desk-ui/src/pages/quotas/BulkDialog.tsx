/** Sets one limit of many rows to the same value. */
import { useId, useState } from 'react';
import type { Level, QuotaField, QuotaValue } from '../../api/types';
import { Dialog, DialogActions } from '../../components/Dialog';
import { t } from '../../strings';
import { fieldsOf, parseValue } from './values';

interface BulkDialogProps {
  readonly level: Level;
  readonly count: number;
  readonly onApply: (field: QuotaField, value: QuotaValue | undefined) => void;
  readonly onClose: () => void;
}

type Choice = keyof typeof t.quotas.bulkChoices;
const CHOICES = Object.keys(t.quotas.bulkChoices) as readonly Choice[];

export function BulkDialog({ level, count, onApply, onClose }: BulkDialogProps) {
  const id = useId();
  const [field, setField] = useState<QuotaField>('max_gpus');
  const [choice, setChoice] = useState<Choice>('set');
  const [text, setText] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const apply = () => {
    const input = { set: text, none: t.quotas.noLimit, inherit: '' }[choice];
    const parsed = parseValue(field, input);
    if (!parsed.ok) setProblem(parsed.message);
    else if (choice === 'set' && parsed.value === undefined) setProblem(t.quotas.invalid.needed);
    else onApply(field, parsed.value);
  };
  return (
    <Dialog
      title={t.quotas.bulkTitle(count)}
      onClose={onClose}
      footer={<DialogActions label={t.quotas.stage} form={`${id}-form`} onClose={onClose} />}
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
          <legend className="fs-6">{t.quotas.bulkValue}</legend>
          {CHOICES.filter(option => option !== 'none' || field !== 'weight').map(option => (
            <div className="form-check" key={option}>
              <input
                type="radio"
                className="form-check-input"
                id={`${id}-${option}`}
                name={`${id}-choice`}
                checked={choice === option}
                onChange={() => {
                  setChoice(option);
                  setProblem(null);
                }}
              />
              <label className="form-check-label" htmlFor={`${id}-${option}`}>
                {t.quotas.bulkChoices[option]}
              </label>
            </div>
          ))}
        </fieldset>
        {choice === 'set' && (
          <input
            className={`form-control mt-2${problem ? ' is-invalid' : ''}`}
            aria-label={t.quotas.bulkValue}
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
