/** The columns of the quota table, by level. */
import type { Level, QuotaField, QuotaRow } from '../../api/types';
import type { Column } from '../../components/DataTable';
import { Icon } from '../../components/Status';
import { now } from '../../lib/clock';
import { dateTime } from '../../lib/format';
import { t } from '../../strings';
import { Cell } from './Cell';
import { useEditing } from './context';
import { currentDocument } from './staging';
import { displayName } from './values';

// A small screen shows only some of the limits. The drawer has all of them.
const ALWAYS: readonly QuotaField[] = ['max_gpus', 'gpu_hours'];
const MIDDLE: readonly QuotaField[] = ['session_hours', 'max_session_hours', 'weight'];

const UNSORTED: readonly QuotaField[] = ['gpu_models', 'group_max_gpus', 'group_gpu_hours'];

function limitColumn(field: QuotaField): Column<QuotaRow> {
  const size = ALWAYS.includes(field)
    ? ''
    : MIDDLE.includes(field)
      ? ' d-none d-md-table-cell'
      : ' d-none d-xl-table-cell';
  return {
    id: field,
    header: t.quotas.fields[field],
    enableSorting: !UNSORTED.includes(field),
    accessorFn: row => row.document?.[field],
    meta: { className: `gd-limit${size}`, title: t.quotas.about[field] },
    cell: ({ row }) => <Cell row={row.original} field={field} />
  };
}

const name: Column<QuotaRow> = {
  id: 'name',
  header: t.quotas.name,
  accessorFn: row => row.name,
  meta: { className: 'gd-name' },
  cell: ({ row }) => <Name row={row.original} />
};

const boost: Column<QuotaRow> = {
  id: 'boost',
  header: t.quotas.boost,
  enableSorting: false,
  accessorFn: row => row.document?.boost?.until,
  meta: { className: 'd-none d-lg-table-cell' },
  cell: ({ row }) => <Boost row={row.original} />
};

const inUse: Column<QuotaRow> = {
  id: 'used',
  header: t.quotas.inUse,
  accessorFn: row => row.used?.gpu_hours,
  meta: { className: 'text-nowrap d-none d-sm-table-cell' },
  cell: ({ row: { original } }) =>
    original.used && t.quotas.inUseText(original.used.gpus, original.used.gpu_hours)
};

const details: Column<QuotaRow> = {
  id: 'details',
  header: () => <span className="visually-hidden">{t.quotas.details}</span>,
  enableSorting: false,
  meta: { className: 'text-end' },
  cell: ({ row }) => <Details row={row.original} />
};

const LIMIT_COLUMNS: readonly QuotaField[] = [
  'max_gpus',
  'gpu_hours',
  'session_hours',
  'max_session_hours',
  'idle_minutes',
  'weight',
  'gpu_models'
];

export const COLUMNS: { readonly [level in Level]: readonly Column<QuotaRow>[] } = {
  user: [name, ...LIMIT_COLUMNS.map(limitColumn), boost, inUse, details],
  group: [
    name,
    ...LIMIT_COLUMNS.map(limitColumn),
    limitColumn('group_max_gpus'),
    limitColumn('group_gpu_hours'),
    boost,
    details
  ],
  default: [name, ...LIMIT_COLUMNS.map(limitColumn), boost, details]
};

function Name({ row }: { readonly row: QuotaRow }) {
  return (
    <>
      <span className="text-break">{displayName(row)}</span>
      {row.groups.length > 0 && (
        <div className="small text-body-secondary text-truncate gd-groups">
          {t.list(row.groups)}
        </div>
      )}
    </>
  );
}

function Boost({ row }: { readonly row: QuotaRow }) {
  const { staged } = useEditing();
  const boost = currentDocument(staged, row)?.boost;
  if (boost === undefined) return null;
  const until = Date.parse(boost.until) / 1000;
  const over = until <= now();
  return (
    <span className={`badge ${over ? 'text-bg-secondary' : 'text-bg-info'}`}>
      <Icon name="bolt" /> {over ? t.quotas.boostOver : t.quotas.boostUntil(dateTime(until))}
    </span>
  );
}

function Details({ row }: { readonly row: QuotaRow }) {
  const { open } = useEditing();
  return (
    <button
      type="button"
      className="btn btn-sm btn-outline-secondary text-nowrap"
      title={t.quotas.details}
      aria-label={t.quotas.detailsLabel(displayName(row))}
      onClick={() => open(row)}
    >
      <Icon name="sliders" />
      <span className="d-none d-xxl-inline"> {t.quotas.details}</span>
    </button>
  );
}
