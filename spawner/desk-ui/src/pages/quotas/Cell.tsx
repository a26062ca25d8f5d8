/** A limit in the table: a button that turns into a field. Enter takes the value, Escape does not. */
import { useEffect, useId, useRef, useState } from 'react';
import type { QuotaField, QuotaRow, QuotaValue } from '../../api/types';
import { t } from '../../strings';
import { useEditing } from './context';
import { current, keyOf } from './staging';
import { editText, parseValue, sameValue, showValue } from './values';

interface CellProps {
  readonly row: QuotaRow;
  readonly field: QuotaField;
}

export function Cell({ row, field }: CellProps) {
  const { staged, mayEdit, setField } = useEditing();
  const [editing, setEditing] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const wasEditing = useRef(false);
  const own = current(staged, row)?.[field];
  const change = staged.get(keyOf(row));
  const changed = change !== undefined && !sameValue(change.base?.[field], own);
  const shown = own === undefined ? inheritedText(row, field) : showValue(field, own);
  const name = row.level === 'default' ? t.quotas.defaultName : row.name;

  useEffect(() => {
    if (wasEditing.current && !editing) button.current?.focus();
    wasEditing.current = editing;
  }, [editing]);

  if (editing) {
    return (
      <CellEditor
        label={t.quotas.editing(t.quotas.fields[field], name)}
        field={field}
        value={own}
        hint={inheritedText(row, field)}
        onTake={value => {
          setField(row, field, value);
          setEditing(false);
        }}
        onLeave={() => setEditing(false)}
      />
    );
  }
  const className = `gd-cell${own === undefined ? ' gd-inherited' : ''}${changed ? ' gd-changed' : ''}`;
  if (!mayEdit(row)) return <span className={className}>{shown}</span>;
  return (
    <button
      ref={button}
      type="button"
      className={className}
      aria-label={t.quotas.cell(t.quotas.fields[field], name, shown, own !== undefined)}
      onClick={() => setEditing(true)}
    >
      {own === undefined && shown === t.quotas.notSet ? t.quotas.nothing : shown}
    </button>
  );
}

/** What holds where the level itself sets nothing. */
function inheritedText(row: QuotaRow, field: QuotaField): string {
  const limits: { readonly [name in QuotaField]?: { value: QuotaValue; origin: string } } =
    row.effective ?? {};
  const limit = limits[field];
  // A value that the stored document itself sets is not what it would inherit.
  if (limit === undefined || row.document?.[field] !== undefined) {
    return row.level === 'user' ? t.quotas.inherited : t.quotas.notSet;
  }
  return showValue(field, limit.value);
}

interface CellEditorProps {
  readonly label: string;
  readonly field: QuotaField;
  readonly value: QuotaValue | undefined;
  readonly hint: string;
  readonly onTake: (value: QuotaValue | undefined) => void;
  readonly onLeave: () => void;
}

function CellEditor({ label, field, value, hint, onTake, onLeave }: CellEditorProps) {
  const [text, setText] = useState(editText(field, value));
  const [problem, setProblem] = useState<string | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const problemId = useId();
  useEffect(() => input.current?.select(), []);
  const take = () => {
    const parsed = parseValue(field, text);
    if (parsed.ok) onTake(parsed.value);
    else setProblem(parsed.message);
  };
  return (
    <div className="gd-editor">
      <input
        ref={input}
        className={`form-control form-control-sm${problem ? ' is-invalid' : ''}`}
        aria-label={label}
        aria-invalid={problem !== null}
        aria-describedby={problem ? problemId : undefined}
        placeholder={hint}
        value={text}
        autoComplete="off"
        onChange={event => {
          setText(event.target.value);
          setProblem(null);
        }}
        onKeyDown={event => {
          if (event.key === 'Enter') {
            event.preventDefault();
            take();
          } else if (event.key === 'Escape') {
            event.preventDefault();
            event.stopPropagation();
            onLeave();
          }
        }}
        onBlur={take}
      />
      {problem && (
        <div className="invalid-feedback" id={problemId} role="alert">
          {problem}
        </div>
      )}
    </div>
  );
}
