/** GPU-hours by user, group or GPU over time: a chart, a table, and a CSV file. */
import { lazy, Suspense, useMemo } from 'react';
import { query } from '../../api/client';
import { useLab, useUsage, type UsageView } from '../../api/queries';
import type { Bucket, UsageBy, UsageRow } from '../../api/types';
import { DateField, Field } from '../../components/Field';
import { Page } from '../../components/Page';
import { EmptyState, Icon, Loading, QueryStatus } from '../../components/Status';
import { useDesk } from '../../config';
import { now } from '../../lib/clock';
import { percent, startOfUtcDay, utcDateInput } from '../../lib/format';
import { amount, whole } from '../../lib/numbers';
import { useSearchParams } from '../../lib/searchParams';
import { t } from '../../strings';
import { gpuName } from '../lab/gpus';
import { buckets, series, totals } from './series';

const UsageChart = lazy(() => import('./UsageChart'));

const DAY = 24 * 3600;
const MAX_SERIES = 7;
const MAX_LINES = 100;
const BYS: readonly UsageBy[] = ['user', 'group', 'gpu'];
const BUCKETS: readonly Bucket[] = ['day', 'week', 'month'];
const RANGES = Object.keys(t.usage.ranges);

/** Return the rows with the names of GPUs instead of UUIDs, for GPUs that the lab still has. */
function useNamedRows(rows: readonly UsageRow[] | undefined, by: UsageBy): readonly UsageRow[] {
  const lab = useLab(by === 'gpu');
  const gpus = lab.data?.gpus;
  return useMemo(() => {
    if (rows === undefined) return [];
    if (by !== 'gpu') return rows;
    const names = new Map(
      gpus?.map(gpu => [gpu.uuid, t.usage.gpu(t.lab.gpuOfHost(gpu.host, gpuName(gpu)), gpu.model)])
    );
    return rows.map(row => ({ ...row, name: names.get(row.name) ?? row.name }));
  }, [rows, by, gpus]);
}

export function UsagePage() {
  const desk = useDesk();
  const [parameters, setParameters] = useSearchParams();
  const bys = desk.read ? BYS : BYS.slice(0, desk.leads.length > 0 ? 2 : 1);
  const by = bys.find(known => known === parameters.get('by')) ?? 'user';
  const bucket = BUCKETS.find(known => known === parameters.get('bucket')) ?? 'day';
  const today = startOfUtcDay(utcDateInput(now())) ?? 0;
  const custom = parameters.has('from') || parameters.has('to');
  const days = Number(parameters.get('days')) || 30;
  const from = startOfUtcDay(parameters.get('from') ?? '') ?? today - (days - 1) * DAY;
  const to = (startOfUtcDay(parameters.get('to') ?? '') ?? today) + DAY;
  const view = useMemo<UsageView | null>(
    () => (from < to ? { from, to, by, bucket } : null),
    [from, to, by, bucket]
  );
  const usage = useUsage(view);
  const rows = usage.data;
  const named = useNamedRows(rows, by);
  const starts = useMemo(() => buckets(from, to, bucket), [from, to, bucket]);
  const bars = useMemo(
    () => series(named, starts, bucket, MAX_SERIES, t.usage.others),
    [named, starts, bucket]
  );
  const lines = useMemo(() => totals(named), [named]);
  const sum = lines.reduce((all, line) => all + line.gpuHours, 0);
  const sessions = lines.reduce((all, line) => all + line.sessions, 0);

  return (
    <Page
      title={t.usage.title}
      actions={
        view && (
          <a
            className="btn btn-outline-secondary"
            href={`${desk.api}/usage${query({ ...view, format: 'csv' })}`}
            download
          >
            <Icon name="download" /> {t.usage.csv}
          </a>
        )
      }
    >
      <div className="gd-filterform mb-3">
        {bys.length > 1 && (
          <SelectField
            label={t.usage.by}
            value={by}
            options={bys}
            labels={t.usage.bys}
            onChange={value => setParameters({ by: value })}
          />
        )}
        <SelectField
          label={t.usage.bucket}
          value={bucket}
          options={BUCKETS}
          labels={t.usage.buckets}
          onChange={value => setParameters({ bucket: value })}
        />
        <SelectField
          label={t.usage.range}
          value={custom ? 'custom' : String(days)}
          options={RANGES}
          labels={t.usage.ranges}
          onChange={value =>
            setParameters(
              value === 'custom'
                ? { days: null, from: utcDateInput(from), to: utcDateInput(to - DAY) }
                : {
                    days: value,
                    from: null,
                    to: null,
                    bucket: value === '365' ? 'month' : value === '90' ? 'week' : 'day'
                  }
            )
          }
        />
        {custom &&
          (['from', 'to'] as const).map(name => (
            <DateField
              key={name}
              label={t.usage[name]}
              value={utcDateInput(name === 'from' ? from : to - DAY)}
              onChange={value => setParameters({ [name]: value })}
            />
          ))}
      </div>
      {view === null && (
        <div className="alert alert-warning" role="alert">
          {t.usage.badRange}
        </div>
      )}
      {view !== null && <QueryStatus query={usage} loading={t.usage.loading} />}
      {view !== null && rows?.length === 0 && (
        <EmptyState icon="chart-column" title={t.usage.none}>
          <p className="text-body-secondary">{t.usage.noneHelp}</p>
        </EmptyState>
      )}
      {view !== null && rows !== undefined && rows.length > 0 && (
        <>
          <p className="fs-5 mb-1" role="status">
            {t.usage.summary(sum, sessions)}
          </p>
          <p className="form-text mt-0">{t.usage.utc}</p>
          <div className="card mb-4">
            <div className="card-body">
              <Suspense fallback={<Loading what={t.loading} />}>
                <UsageChart
                  label={t.usage.chart(t.usage.bys[by])}
                  starts={starts}
                  bucket={bucket}
                  series={bars}
                />
              </Suspense>
            </div>
          </div>
          <div
            className="table-responsive"
            tabIndex={0}
            role="region"
            aria-label={t.usage.table(t.usage.bys[by])}
          >
            <table className="table table-sm">
              <caption className="visually-hidden">{t.usage.table(t.usage.bys[by])}</caption>
              <thead>
                <tr>
                  <th scope="col">{t.usage.bys[by]}</th>
                  <th scope="col" className="text-end">
                    {t.usage.gpuHours}
                  </th>
                  <th scope="col" className="text-end">
                    {t.usage.share}
                  </th>
                  <th scope="col" className="text-end">
                    {t.usage.sessions}
                  </th>
                </tr>
              </thead>
              <tbody>
                {lines.slice(0, MAX_LINES).map(line => (
                  <tr key={line.name}>
                    <td className="gd-text">{line.name}</td>
                    <td className="text-end">{amount(line.gpuHours)}</td>
                    <td className="text-end">{percent(line.gpuHours, sum)}</td>
                    <td className="text-end">{whole(line.sessions)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {lines.length > MAX_LINES && (
            <p className="text-body-secondary small">{t.usage.more(lines.length - MAX_LINES)}</p>
          )}
        </>
      )}
    </Page>
  );
}

interface SelectFieldProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly onChange: (value: string) => void;
}

function SelectField({ label, value, options, labels, onChange }: SelectFieldProps) {
  return (
    <Field label={label}>
      {id => (
        <select
          id={id}
          className="form-select form-select-sm"
          value={value}
          onChange={event => onChange(event.target.value)}
        >
          {options.map(option => (
            <option key={option} value={option}>
              {labels[option]}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
