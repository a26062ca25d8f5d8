/** Every change that was made: who, when, what, from what to what. */
import { useId, useState } from 'react';
import { useAudit, type AuditView } from '../../api/queries';
import type { AuditRow } from '../../api/types';
import { query } from '../../api/client';
import { DataTable, type Column } from '../../components/DataTable';
import { Empty, Failure, Icon, Loading } from '../../components/Notes';
import { Page } from '../../components/Page';
import { Pager } from '../../components/Pager';
import { useDesk } from '../../config';
import { useAddress } from '../../lib/address';
import { moment, startOfDay } from '../../lib/format';
import { t } from '../../strings';
import { compare } from './diff';

const ROWS = 50;
const DAY = 24 * 3600;
// What is known to be written down; a first word stands for all that begin with it.
const KINDS = [
  'quota',
  'quota.set',
  'quota.unset',
  'gpu',
  'gpu.state',
  'gpu.slots',
  'gpu.forget',
  'lease',
  'lease.extend',
  'lease.release',
  'queue.cancel'
];
const TEXTS = ['by', 'what', 'target'] as const;

const COLUMNS: readonly Column<AuditRow>[] = [
  {
    id: 'at',
    header: t.audit.when,
    accessorFn: row => row.at,
    meta: { className: 'gd-text' },
    cell: ({ row }) => moment(row.original.at)
  },
  {
    id: 'by',
    header: t.audit.who,
    accessorFn: row => row.by,
    meta: { className: 'gd-text' },
    cell: ({ row }) => row.original.by
  },
  {
    id: 'what',
    header: t.audit.what,
    accessorFn: row => row.what,
    cell: ({ row }) => <code className="text-nowrap">{row.original.what}</code>
  },
  {
    id: 'target',
    header: t.audit.target,
    accessorFn: row => row.target,
    meta: { className: 'gd-text' },
    cell: ({ row }) => row.original.target
  },
  {
    id: 'change',
    header: t.audit.change,
    meta: { className: 'gd-wide' },
    cell: ({ row }) => <Change row={row.original} />
  }
];

export function AuditPage() {
  const desk = useDesk();
  const [address, setAddress] = useAddress();
  const filters = {
    by: address.get('by') ?? '',
    what: address.get('what') ?? '',
    target: address.get('target') ?? '',
    from: startOfDay(address.get('from') ?? ''),
    to: endOfDay(address.get('to') ?? '')
  };
  const view: AuditView = {
    ...filters,
    offset: Math.max(0, Number(address.get('offset')) || 0),
    limit: ROWS
  };
  const filtered = [...TEXTS, 'from', 'to'].some(name => address.get(name));
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
      <Filters address={address} filtered={filtered} onFilter={setAddress} />
      {page.isPending && <Loading what={t.audit.loading} />}
      {page.isError && <Failure error={page.error} onRetry={() => void page.refetch()} />}
      {page.data && (
        <>
          <DataTable
            caption={t.audit.table}
            columns={COLUMNS}
            rows={page.data.rows}
            rowId={row => String(row.sequence)}
            empty={
              <Empty icon="clipboard-list" title={filtered ? t.audit.noneMatch : t.audit.none} />
            }
          />
          <div className="mt-3">
            <Pager
              offset={view.offset}
              limit={ROWS}
              total={page.data.total}
              label={t.audit.pages}
              onMove={offset => setAddress({ offset: offset === 0 ? null : String(offset) })}
            />
          </div>
        </>
      )}
    </Page>
  );
}

function endOfDay(value: string): number | null {
  const start = startOfDay(value);
  return start === null ? null : start + DAY;
}

interface FiltersProps {
  readonly address: URLSearchParams;
  readonly filtered: boolean;
  readonly onFilter: (change: Readonly<Record<string, string | null>>) => void;
}

function Filters({ address, filtered, onFilter }: FiltersProps) {
  const id = useId();
  const labels = { by: t.audit.who, what: t.audit.what, target: t.audit.target };
  const [texts, setTexts] = useState(() =>
    Object.fromEntries(TEXTS.map(name => [name, address.get(name) ?? '']))
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
        <div key={name}>
          <label className="form-label mb-1" htmlFor={`${id}-${name}`}>
            {labels[name]}
          </label>
          <input
            id={`${id}-${name}`}
            className="form-control form-control-sm"
            placeholder={t.audit.examples[name]}
            list={name === 'what' ? `${id}-kinds` : undefined}
            value={texts[name] ?? ''}
            onChange={event => setTexts({ ...texts, [name]: event.target.value })}
            onBlur={apply}
          />
        </div>
      ))}
      <datalist id={`${id}-kinds`}>
        {KINDS.map(kind => (
          <option key={kind} value={kind} />
        ))}
      </datalist>
      {(['from', 'to'] as const).map(name => (
        <div key={name}>
          <label className="form-label mb-1" htmlFor={`${id}-${name}`}>
            {t.audit[name]}
          </label>
          <input
            id={`${id}-${name}`}
            type="date"
            className="form-control form-control-sm"
            value={address.get(name) ?? ''}
            onChange={event => onFilter({ [name]: event.target.value || null, offset: null })}
          />
        </div>
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
  const lines = compare(row.before, row.after);
  if (lines.length === 0) return <span className="text-body-secondary">{t.audit.nothing}</span>;
  return (
    <ul className="gd-changes list-unstyled mb-0">
      {lines.map(line => (
        <li key={line.path}>
          {line.path && <span className="text-body-secondary">{line.path}: </span>}
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
