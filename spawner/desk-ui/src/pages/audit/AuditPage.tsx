/** The audit log: who changed what, when, with the values before and after. */
import { useState } from 'react';
import { useAudit, type AuditView } from '../../api/queries';
import type { AuditRow } from '../../api/types';
import { query } from '../../api/client';
import { DataTable, type Column } from '../../components/DataTable';
import { DateField, Field } from '../../components/Field';
import { Page } from '../../components/Page';
import { Pager } from '../../components/Pager';
import { EmptyState, Icon, QueryStatus } from '../../components/Status';
import { useDesk } from '../../config';
import { dateTime, startOfDay, startOfNextDay } from '../../lib/format';
import { useSearchParams, type Parameters } from '../../lib/searchParams';
import { t } from '../../strings';
import { changes } from './diff';

const ROWS = 50;
// Kinds of changes to suggest. A first part such as `quota` matches all that begin with it.
const KINDS: readonly (readonly [string, string])[] = Object.entries({
  ...t.audit.kinds,
  ...t.audit.actions
}).sort(([one], [other]) => one.localeCompare(other));
const TEXTS = ['by', 'what', 'target'] as const;

const COLUMNS: readonly Column<AuditRow>[] = [
  {
    id: 'at',
    header: t.audit.when,
    accessorFn: row => row.at,
    meta: { className: 'gd-text' },
    cell: ({ row }) => dateTime(row.original.at)
  },
  {
    id: 'by',
    header: t.audit.by,
    accessorFn: row => row.by,
    meta: { className: 'gd-text' },
    cell: ({ row }) => row.original.by
  },
  {
    id: 'what',
    header: t.audit.what,
    accessorFn: row => row.what,
    meta: { className: 'gd-text' },
    cell: ({ row }) => <span title={row.original.what}>{actionName(row.original.what)}</span>
  },
  {
    id: 'target',
    header: t.audit.target,
    accessorFn: row => row.target,
    meta: { className: 'gd-text' },
    cell: ({ row }) => <span title={row.original.target}>{targetName(row.original)}</span>
  },
  {
    id: 'change',
    header: t.audit.change,
    meta: { className: 'gd-wide' },
    cell: ({ row }) => <Change row={row.original} />
  }
];

const NAMES: Readonly<Record<string, string | undefined>> = {
  ...t.quotas.fields,
  boost: t.quotas.boost,
  until: t.quotas.boostUntilLabel,
  slots: t.lab.slots
};

function actionName(what: string): string {
  return (t.audit.actions as Readonly<Record<string, string | undefined>>)[what] ?? what;
}

function targetName(row: AuditRow): string {
  return row.target === 'default' ? t.quotas.level.default : row.target_name;
}

/** Return the name of a changed value: `Boost, GPUs at once` for `boost.max_gpus`. */
function valueName(path: string): string {
  return t.list(path.split('.').map(part => NAMES[part] ?? part));
}

export function AuditPage() {
  const desk = useDesk();
  const [parameters, setParameters] = useSearchParams();
  const filters = {
    by: parameters.get('by') ?? '',
    what: parameters.get('what') ?? '',
    target: parameters.get('target') ?? '',
    from: startOfDay(parameters.get('from') ?? ''),
    to: startOfNextDay(parameters.get('to') ?? '')
  };
  const view: AuditView = {
    ...filters,
    offset: Math.max(0, Number(parameters.get('offset')) || 0),
    limit: ROWS
  };
  const filtered = [...TEXTS, 'from', 'to'].some(name => parameters.get(name));
  const page = useAudit(view);
  return (
    <Page
      title={t.audit.title}
      actions={
        <a
          className="btn btn-outline-secondary"
          href={`${desk.api}/audit${query({ ...filters, format: 'csv' })}`}
          download
        >
          <Icon name="download" /> {t.audit.csv}
        </a>
      }
    >
      <Filters parameters={parameters} filtered={filtered} onFilter={setParameters} />
      <QueryStatus query={page} loading={t.audit.loading} />
      {page.data && (
        <>
          <DataTable
            caption={t.audit.table}
            columns={COLUMNS}
            rows={page.data.rows}
            rowId={row => String(row.sequence)}
            empty={
              <EmptyState
                icon="clipboard-list"
                title={filtered ? t.audit.noneMatch : t.audit.none}
              />
            }
          />
          <div className="mt-3">
            <Pager
              offset={view.offset}
              limit={ROWS}
              total={page.data.total}
              label={t.audit.pages}
              onMove={offset => setParameters({ offset: offset === 0 ? null : String(offset) })}
            />
          </div>
        </>
      )}
    </Page>
  );
}

interface FiltersProps {
  readonly parameters: URLSearchParams;
  readonly filtered: boolean;
  readonly onFilter: (change: Parameters) => void;
}

function Filters({ parameters, filtered, onFilter }: FiltersProps) {
  const [texts, setTexts] = useState<Parameters>(() =>
    Object.fromEntries(TEXTS.map(name => [name, parameters.get(name)]))
  );
  const apply = () => onFilter({ ...texts, offset: null });
  return (
    <form
      className="gd-filterform mb-3"
      onSubmit={event => {
        event.preventDefault();
        apply();
      }}
    >
      {TEXTS.map(name => (
        <Field key={name} label={t.audit[name]}>
          {id => (
            <input
              id={id}
              className="form-control form-control-sm"
              placeholder={t.audit.examples[name]}
              list={name === 'what' ? 'gd-kinds' : undefined}
              value={texts[name] ?? ''}
              onChange={event => setTexts({ ...texts, [name]: event.target.value })}
              onBlur={apply}
            />
          )}
        </Field>
      ))}
      <datalist id="gd-kinds">
        {KINDS.map(([kind, name]) => (
          <option key={kind} value={kind} label={name} />
        ))}
      </datalist>
      {(['from', 'to'] as const).map(name => (
        <DateField
          key={name}
          label={t.audit[name]}
          value={parameters.get(name) ?? ''}
          onChange={value => onFilter({ [name]: value, offset: null })}
        />
      ))}
      <button type="submit" className="visually-hidden" tabIndex={-1}>
        {t.audit.title}
      </button>
      {filtered && (
        <button
          type="button"
          className="btn btn-sm btn-link align-self-end"
          onClick={() => {
            setTexts({});
            onFilter({ by: null, what: null, target: null, from: null, to: null, offset: null });
          }}
        >
          {t.audit.clear}
        </button>
      )}
    </form>
  );
}

function Change({ row }: { readonly row: AuditRow }) {
  const lines = changes(row);
  if (lines.length === 0) return <span className="text-body-secondary">{t.audit.nothing}</span>;
  return (
    <ul className="gd-changes list-unstyled mb-0">
      {lines.map(line => (
        <li key={line.path}>
          {line.path && (
            <span className="text-body-secondary">{t.label(valueName(line.path))} </span>
          )}
          {line.before !== null && (
            <del>
              <span className="visually-hidden">{t.audit.before} </span>
              {line.before}
            </del>
          )}
          {line.before !== null && line.after !== null && <span aria-hidden="true"> → </span>}
          {line.after !== null && (
            <ins>
              <span className="visually-hidden">{t.audit.after} </span>
              {line.after}
            </ins>
          )}
        </li>
      ))}
    </ul>
  );
}
