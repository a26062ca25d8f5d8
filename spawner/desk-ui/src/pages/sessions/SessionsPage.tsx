/** The sessions of the lab, running and ended: whose, when, on which GPU, and why they ended. */
import { useState } from 'react';
import { query } from '../../api/client';
import { useLab, useSessionReport, type SessionView } from '../../api/queries';
import type { GPU, SessionReportRow } from '../../api/types';
import { DataTable, type Column } from '../../components/DataTable';
import { DateField, Field } from '../../components/Field';
import { Page } from '../../components/Page';
import { Pager } from '../../components/Pager';
import { EmptyState, Icon, QueryStatus } from '../../components/Status';
import { useDesk } from '../../config';
import { dateTime, duration, startOfDay, startOfNextDay } from '../../lib/format';
import { amount } from '../../lib/numbers';
import { useSearchParams, type Parameters } from '../../lib/searchParams';
import { t } from '../../strings';

const ROWS = 50;
const HOUR = 3600;
const UUID_BEGIN = 'GPU-01234567'.length;
const FILTERS = ['user', 'gpu', 'from', 'to'] as const;

const COLUMNS: readonly Column<SessionReportRow>[] = [
  {
    id: 'user',
    header: t.sessions.user,
    accessorFn: row => row.user,
    meta: { className: 'gd-text' },
    cell: ({ row }) => row.original.user
  },
  {
    id: 'server',
    header: t.sessions.server,
    accessorFn: row => row.server,
    meta: { className: 'gd-text' },
    cell: ({ row }) =>
      row.original.server === '' ? (
        <span className="text-body-secondary">{t.sessions.defaultServer}</span>
      ) : (
        row.original.server
      )
  },
  {
    id: 'start',
    header: t.sessions.start,
    accessorFn: row => row.started_at,
    meta: { className: 'gd-text' },
    cell: ({ row }) => dateTime(row.original.started_at)
  },
  {
    id: 'end',
    header: t.sessions.end,
    accessorFn: row => row.ended_at,
    meta: { className: 'gd-text' },
    cell: ({ row }) => <End row={row.original} />
  },
  {
    id: 'why',
    header: t.sessions.why,
    accessorFn: row => row.end_text,
    meta: { className: 'gd-text gd-wide' },
    cell: ({ row }) => row.original.end_text
  },
  {
    id: 'gpus',
    header: t.sessions.gpus,
    meta: { className: 'gd-text gd-wide' },
    cell: ({ row }) => <GPUs row={row.original} />
  },
  {
    id: 'length',
    header: t.sessions.length,
    accessorFn: row => row.hours,
    meta: { className: 'text-nowrap' },
    cell: ({ row }) => duration(row.original.hours * HOUR)
  },
  {
    id: 'gpu_hours',
    header: t.sessions.gpuHours,
    accessorFn: row => row.gpu_hours,
    meta: { className: 'text-end' },
    cell: ({ row }) => amount(row.original.gpu_hours)
  }
];

export function SessionsPage() {
  const desk = useDesk();
  const [parameters, setParameters] = useSearchParams();
  const filters = {
    user: parameters.get('user') ?? '',
    gpu: parameters.get('gpu') ?? '',
    from: startOfDay(parameters.get('from') ?? ''),
    to: startOfNextDay(parameters.get('to') ?? '')
  };
  const view: SessionView = {
    ...filters,
    offset: Math.max(0, Number(parameters.get('offset')) || 0),
    limit: ROWS
  };
  const filtered = FILTERS.some(name => parameters.get(name));
  const page = useSessionReport(view);
  return (
    <Page
      title={t.sessions.title}
      actions={
        <a
          className="btn btn-outline-secondary"
          href={`${desk.api}/sessions${query({ ...filters, format: 'csv' })}`}
          download
        >
          <Icon name="download" /> {t.sessions.csv}
        </a>
      }
    >
      <Filters parameters={parameters} filtered={filtered} onFilter={setParameters} />
      <QueryStatus query={page} loading={t.sessions.loading} />
      {page.data && (
        <>
          {page.data.rows.length === 0 ? (
            <EmptyState
              icon="clock-rotate-left"
              title={filtered ? t.sessions.noneMatch : t.sessions.none}
            />
          ) : (
            <DataTable
              caption={t.sessions.table}
              columns={COLUMNS}
              rows={page.data.rows}
              rowId={row => row.id}
              empty={null}
            />
          )}
          <div className="mt-3">
            <Pager
              offset={view.offset}
              limit={ROWS}
              total={page.data.total}
              label={t.sessions.pages}
              onMove={offset => setParameters({ offset: offset === 0 ? null : String(offset) })}
            />
          </div>
        </>
      )}
    </Page>
  );
}

function End({ row }: { readonly row: SessionReportRow }) {
  if (row.ended_at !== null) return dateTime(row.ended_at);
  const state = {
    granted: t.sessions.starting,
    active: t.sessions.running,
    stopping: t.sessions.stopping,
    ended: ''
  }[row.state];
  return <span className="badge text-bg-primary">{state}</span>;
}

function GPUs({ row }: { readonly row: SessionReportRow }) {
  if (row.gpus.length === 0) {
    return <span className="text-body-secondary">{t.sessions.noGPU}</span>;
  }
  return (
    <ul className="list-unstyled mb-0">
      {row.gpus.map(gpu => {
        const name =
          gpu.index === null || gpu.host === null
            ? t.lab.gone(gpu.uuid.slice(0, UUID_BEGIN))
            : deviceName(gpu.index, gpu.host, gpu.mig_profile);
        return (
          <li key={gpu.uuid} title={t.list([gpu.model, gpu.uuid].filter(text => text !== null))}>
            {row.slots > 1 ? t.sessions.slot(name, row.slots) : name}
          </li>
        );
      })}
    </ul>
  );
}

function deviceName(index: number, host: string, profile: string | null): string {
  const name = t.sessions.gpu(index, host);
  return profile === null ? name : t.lab.slice(name, profile);
}

interface FiltersProps {
  readonly parameters: URLSearchParams;
  readonly filtered: boolean;
  readonly onFilter: (change: Parameters) => void;
}

function Filters({ parameters, filtered, onFilter }: FiltersProps) {
  const lab = useLab();
  const gpus: readonly GPU[] = lab.data?.gpus ?? [];
  const gpu = parameters.get('gpu') ?? '';
  const [user, setUser] = useState(parameters.get('user') ?? '');
  const apply = () => {
    if (user.trim() !== (parameters.get('user') ?? '')) {
      onFilter({ user: user.trim(), offset: null });
    }
  };
  return (
    <form
      className="gd-filterform mb-3"
      onSubmit={event => {
        event.preventDefault();
        apply();
      }}
    >
      <Field label={t.sessions.user}>
        {id => (
          <input
            id={id}
            className="form-control form-control-sm"
            placeholder={t.sessions.example}
            value={user}
            onChange={event => setUser(event.target.value)}
            onBlur={apply}
          />
        )}
      </Field>
      <Field label={t.sessions.gpus}>
        {id => (
          <select
            id={id}
            className="form-select form-select-sm"
            value={gpu}
            onChange={event => onFilter({ gpu: event.target.value, offset: null })}
          >
            <option value="">{t.sessions.anyGPU}</option>
            {gpus.map(item => (
              <option key={item.uuid} value={item.uuid}>
                {deviceName(item.index, item.host, item.mig_profile)}
              </option>
            ))}
            {gpu !== '' && !gpus.some(item => item.uuid === gpu) && (
              <option value={gpu}>{t.lab.gone(gpu.slice(0, UUID_BEGIN))}</option>
            )}
          </select>
        )}
      </Field>
      {(['from', 'to'] as const).map(name => (
        <DateField
          key={name}
          label={t.sessions[name]}
          value={parameters.get(name) ?? ''}
          onChange={value => onFilter({ [name]: value, offset: null })}
        />
      ))}
      <button type="submit" className="visually-hidden" tabIndex={-1}>
        {t.sessions.title}
      </button>
      {filtered && (
        <button
          type="button"
          className="btn btn-sm btn-link align-self-end"
          onClick={() => {
            setUser('');
            onFilter({ user: null, gpu: null, from: null, to: null, offset: null });
          }}
        >
          {t.sessions.clear}
        </button>
      )}
    </form>
  );
}
