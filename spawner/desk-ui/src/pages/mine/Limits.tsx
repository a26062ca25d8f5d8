/** The limits in force, how much of each is used, and the level that set it. */
import type { EffectiveQuota, Limit, QuotaValue } from '../../api/types';
import { Meter } from '../../components/Meter';
import { amount, count, whole } from '../../lib/format';
import { t } from '../../strings';
import { describeLimit } from '../quotas/values';

const OTHER_LIMITS: readonly Limit[] = [
  'session_hours',
  'max_session_hours',
  'idle_minutes',
  'weight',
  'gpu_models'
];

export function Limits({ effective }: { readonly effective: EffectiveQuota }) {
  const { limits, used, caps } = effective;
  const days = asNumber(limits.window_days.value);
  return (
    <div className="card">
      <div className="card-body d-grid gap-3">
        <Meter
          label={t.mine.gpusMeter}
          used={used.gpus}
          limit={asNumber(limits.max_gpus.value)}
          text={usedOf(used.gpus, limits.max_gpus.value, '', whole)}
          note={t.mine.origin(limits.max_gpus.origin)}
        />
        <Meter
          label={t.mine.hoursMeter}
          warns
          used={used.gpu_hours}
          limit={asNumber(limits.gpu_hours.value)}
          text={usedOf(used.gpu_hours, limits.gpu_hours.value, 'h', amount)}
          note={[
            t.mine.origin(limits.gpu_hours.origin),
            days === null ? '' : t.mine.perWindow(count(days, 'day'))
          ]
            .filter(Boolean)
            .join(', ')}
        />
        {caps.map(cap => (
          <div key={cap.group} className="d-grid gap-2">
            <div className="small text-body-secondary">{t.mine.group(cap.group)}</div>
            {cap.max_gpus !== null && (
              <Meter
                label={t.mine.gpusMeter}
                used={cap.used.gpus}
                limit={cap.max_gpus}
                text={usedOf(cap.used.gpus, cap.max_gpus, '', whole)}
              />
            )}
            {cap.gpu_hours !== null && (
              <Meter
                label={t.mine.hoursMeter}
                warns
                used={cap.used.gpu_hours}
                limit={cap.gpu_hours}
                text={usedOf(cap.used.gpu_hours, cap.gpu_hours, 'h', amount)}
              />
            )}
          </div>
        ))}
        <dl className="gd-limits mb-0">
          {OTHER_LIMITS.map(field => (
            <div key={field} title={t.quotas.about[field]}>
              <dt>{t.quotas.fields[field]}</dt>
              <dd>
                {describeLimit(field, limits[field].value)}{' '}
                <span className="text-body-secondary small">({limits[field].origin})</span>
              </dd>
            </div>
          ))}
        </dl>
      </div>
    </div>
  );
}

function asNumber(value: QuotaValue): number | null {
  return typeof value === 'number' ? value : null;
}

function usedOf(
  used: number,
  limit: QuotaValue,
  unit: string,
  show: (value: number) => string
): string {
  const max = asNumber(limit);
  if (max === null) return t.mine.unlimited(`${show(used)} ${unit}`.trim());
  return t.mine.of(show(used), show(max), unit).trim();
}
