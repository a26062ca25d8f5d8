/** A limit in the table: a button that turns into an input. Enter keeps the value, Escape discards it. */
import { useEffect, useId, useRef, useState } from 'react';
import type { Limit, QuotaField, QuotaRow, QuotaValue } from '../../api/types';
import { t } from '../../strings';
import { useEditing } from './context';
import { currentDocument, keyOf } from './staging';
import { displayName, editText, parseValue, sameValue, showValue } from './values';

interface CellProps {
  readonly row: QuotaRow;
  readonly field: QuotaField;
}

export function Cell({ row, field }: CellProps) {
  const { staged, canEdit, setField } = useEditing();
  const [editing, setEditing] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const wasEditing = useRef(false);
  const own = currentDocument(staged, row)?.[field];
  const change = staged.get(keyOf(row));
  const changed = change !== undefined && !sameValue(change.base?.[field], own);
  const shown = own === undefined ? inheritedText(row, field) : showValue(field, own);
  const name = displayName(row);

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
        onAccept={value => {
          setField(row, field, value);
          setEditing(false);
        }}
        onDiscard={() => setEditing(false)}
      />
    );
  }
  const className = `gd-cell${own === undefined ? ' gd-inherited' : ''}${changed ? ' gd-changed' : ''}`;
  if (!canEdit(row)) return <span className={className}>{shown}</span>;
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

/** Return the text of the limit that applies if the level does not set its own. */
function inheritedText(row: QuotaRow, field: QuotaField): string {
  const limit = row.effective?.[field as Limit];
  // The limit in force comes from the stored document if that sets the field.
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
  readonly onAccept: (value: QuotaValue | undefined) => void;
  readonly onDiscard: () => void;
}

function CellEditor({ label, field, value, hint, onAccept, onDiscard }: CellEditorProps) {
  const [text, setText] = useState(editText(field, value));
  const [problem, setProblem] = useState<string | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const problemId = useId();
  useEffect(() => input.current?.select(), []);
  const accept = () => {
    const parsed = parseValue(field, text);
    if (parsed.ok) onAccept(parsed.value);
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
            accept();
          } else if (event.key === 'Escape') {
            event.preventDefault();
            event.stopPropagation();
            onDiscard();
          }
        }}
        onBlur={accept}
      />
      {problem && (
        <div className="invalid-feedback" id={problemId} role="alert">
          {problem}
        </div>
      )}
    </div>
  );
}
