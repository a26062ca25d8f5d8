/** A form control below its label. */
import { useId, type ReactNode } from 'react';

interface FieldProps {
  readonly label: string;
  /** Renders the control with this id. */
  readonly children: (id: string) => ReactNode;
}

export function Field({ label, children }: FieldProps) {
  const id = useId();
  return (
    <div>
      <label className="form-label mb-1" htmlFor={id}>
        {label}
      </label>
      {children(id)}
    </div>
  );
}

interface DateFieldProps {
  readonly label: string;
  /** As `YYYY-MM-DD`, or empty. */
  readonly value: string;
  readonly onChange: (value: string) => void;
}

export function DateField({ label, value, onChange }: DateFieldProps) {
  return (
    <Field label={label}>
      {id => (
        <input
          id={id}
          type="date"
          className="form-control form-control-sm"
          value={value}
          onChange={event => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}
