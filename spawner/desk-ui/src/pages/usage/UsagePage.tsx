/** GPU-hours by user, group or GPU over time: a chart, the numbers behind it, and CSV. */
import { lazy, Suspense, useId, useMemo } from 'react';
import { query } from '../../api/client';
import { useLab, useUsage, type UsageView } from '../../api/queries';
import type { Bucket, UsageBy, UsageRow } from '../../api/types';
import { Empty, Failure, Icon, Loading } from '../../components/Notes';
import { Page } from '../../components/Page';
import { useDesk } from '../../config';
import { useAddress } from '../../lib/address';
import { now } from '../../lib/clock';
import { amount, count, portion, startOfUtcDay, utcDateInput, whole } from '../../lib/format';
import { t } from '../../strings';
import { gpuName } from '../lab/gpus';
import { buckets, series, totals } from './series';

const UsageChart = lazy(() => import('./UsageChart'));

const DAY = 24 * 3600;
const MOST_SERIES = 7;
const MOST_LINES = 100;
const BYS: readonly UsageBy[] = ['user', 'group', 'gpu'];
const BUCKETS: readonly Bucket[] = ['day', 'week', 'month'];
const RANGES = [7, 30, 90, 365] as const;

/** The rows with GPUs called as people know them, as far as the lab still has them. */
function useNames(rows: readonly UsageRow[] | undefined, by: UsageBy): readonly UsageRow[] {
  const lab = useLab(by === 'gpu');
  const gpus = lab.data?.gpus;
  return useMemo(() => {
    if (rows === undefined) return [];
    if (by !== 'gpu') return rows;
    const names = new Map(
      gpus?.map(gpu => [gpu.uuid, `${gpu.host}, ${gpuName(gpu)} (${gpu.model})`])
    );
    return rows.map(row => ({ ...row, name: names.get(row.name) ?? row.name }));
  }, [rows, by, gpus]);
}

export function UsagePage() {
  const desk = useDesk();
  const id = useId();
  const [address, setAddress] = useAddress();
  const bys = desk.read ? BYS : BYS.slice(0, desk.leads.length > 0 ? 2 : 1);
  const by = bys.find(known => known === address.get('by')) ?? 'user';
  const bucket = BUCKETS.find(known => known === address.get('bucket')) ?? 'day';
  const today = startOfUtcDay(utcDateInput(now())) ?? 0;
  const custom = address.has('from') || address.has('to');
  const days = Number(address.get('days')) || 30;
  const from = startOfUtcDay(address.get('from') ?? '') ?? today - (days - 1) * DAY;
  const to = (startOfUtcDay(address.get('to') ?? '') ?? today) + DAY;
  const view = useMemo<UsageView | null>(
    () => (from < to ? { from, to, by, bucket } : null),
    [from, to, by, bucket]
  );
  const usage = useUsage(view);
  const rows = usage.data;
  const named = useNames(usage.data, by);
  const starts = useMemo(() => buckets(from, to, bucket), [from, to, bucket]);
  const bars = useMemo(
    () => series(named, starts, bucket, MOST_SERIES, t.usage.others),
    [named, starts, bucket]
  );
  const lines = useMemo(() => totals(named), [named]);
  const sum = lines.reduce((all, line) => all + line.gpuHours, 0);
  const sessions = lines.reduce((all, line) => all + line.sessions, 0);

  const select = <T extends string>(
    name: string,
    label: string,
    value: T,
    options: readonly (readonly [T, string])[],
    onChange: (value: T) => void
  ) => (
    <div>
      <label className="form-label mb-1" htmlFor={`${id}-${name}`}>
        {label}
      </label>
      <select
        id={`${id}-${name}`}
        className="form-select form-select-sm"
        value={value}
        onChange={event => onChange(event.target.value as T)}
      >
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );

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
        {bys.length > 1 &&
          select(
            'by',
            t.usage.by,
            by,
            bys.map(value => [value, t.usage.bys[value]]),
            value => setAddress({ by: value })
          )}
        {select(
          'bucket',
          t.usage.bucket,
          bucket,
          BUCKETS.map(value => [value, t.usage.buckets[value]]),
          value => setAddress({ bucket: value })
        )}
        {select(
          'range',
          t.usage.range,
          custom ? 'custom' : String(days),
          [
            ...RANGES.map(value => [String(value), t.usage.ranges[value]] as const),
            ['custom', t.usage.custom] as const
          ],
          value =>
            setAddress(
              value === 'custom'
                ? { days: null, from: utcDateInput(from), to: utcDateInput(to - DAY) }
                : {
                    days: value,
                    from: null,
                    to: null,
                    bucket: value === '365' ? 'month' : value === '90' ? 'week' : 'day'
                  }
            )
        )}
        {custom &&
          (['from', 'to'] as const).map(name => (
            <div key={name}>
              <label className="form-label mb-1" htmlFor={`${id}-${name}`}>
                {t.usage[name]}
              </label>
              <input
                id={`${id}-${name}`}
                type="date"
                className="form-control form-control-sm"
                value={utcDateInput(name === 'from' ? from : to - DAY)}
                onChange={event => setAddress({ [name]: event.target.value || null })}
              />
            </div>
          ))}
      </div>
      {view === null && (
        <div className="alert alert-warning" role="alert">
          {t.usage.badRange}
        </div>
      )}
      {view !== null && usage.isPending && <Loading what={t.usage.loading} />}
      {usage.isError && <Failure error={usage.error} onRetry={() => void usage.refetch()} />}
      {view !== null && rows?.length === 0 && (
        <Empty icon="chart-column" title={t.usage.none}>
          <p className="text-body-secondary">{t.usage.noneHelp}</p>
        </Empty>
      )}
      {view !== null && rows !== undefined && rows.length > 0 && (
        <>
          <p className="fs-5 mb-1" role="status">
            {t.usage.summary(amount(sum), count(sessions, 'session'))}
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
                {lines.slice(0, MOST_LINES).map(line => (
                  <tr key={line.name}>
                    <td className="gd-text">{line.name}</td>
                    <td className="text-end">{amount(line.gpuHours)}</td>
                    <td className="text-end">{portion(line.gpuHours, sum)}</td>
                    <td className="text-end">{whole(line.sessions)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {lines.length > MOST_LINES && (
            <p className="text-body-secondary small">
              {t.usage.more(whole(lines.length - MOST_LINES))}
            </p>
          )}
        </>
      )}
    </Page>
  );
}
