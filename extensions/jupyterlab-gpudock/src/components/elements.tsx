import type { ButtonHTMLAttributes, ReactElement, ReactNode } from 'react';

/** A section of the panel; `header` follows its title on the same line. */
export function Card(props: {
  title: string;
  header?: ReactNode;
  children: ReactNode;
}): ReactElement {
  return (
    <section className="jp-GPUDock-card" aria-label={props.title}>
      <header className="jp-GPUDock-card-header">
        <h3>{props.title}</h3>
        {props.header}
      </header>
      {props.children}
    </section>
  );
}

export function Button(props: ButtonHTMLAttributes<HTMLButtonElement>): ReactElement {
  return <button type="button" className="jp-GPUDock-button" {...props} />;
}

/** Labels with their values, one pair on each line. */
export function Rows({ rows }: { rows: readonly (readonly [string, string])[] }): ReactElement {
  return (
    <dl className="jp-GPUDock-versions">
      {rows.map(([label, value]) => (
        <div key={label} className="jp-GPUDock-value">
          <dt className="jp-GPUDock-label">{label}</dt>
          <dd className="jp-GPUDock-number">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
