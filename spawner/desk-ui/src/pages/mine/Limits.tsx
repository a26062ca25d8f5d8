/** The limits in force, how much of each is used, and the level that set it. */
import type { EffectiveQuota, Limit, QuotaValue } from '../../api/types';
import { Meter } from '../../components/Meter';
import { amount, whole } from '../../lib/numbers';
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
          text={gpusOf(used.gpus, limits.max_gpus.value)}
          note={t.mine.setBy(t.mine.origin(limits.max_gpus.origin))}
        />
        <Meter
          label={t.mine.hoursMeter}
          warns
          used={used.gpu_hours}
          limit={asNumber(limits.gpu_hours.value)}
          text={hoursOf(used.gpu_hours, limits.gpu_hours.value)}
          note={t.list([
            t.mine.setBy(t.mine.origin(limits.gpu_hours.origin)),
            ...(days === null ? [] : [t.mine.perWindow(days)])
          ])}
        />
        {caps.map(cap => (
          <div key={cap.group} className="d-grid gap-2">
            <div className="small text-body-secondary">{t.mine.group(cap.group)}</div>
            {cap.max_gpus !== null && (
              <Meter
                label={t.mine.gpusMeter}
                used={cap.used.gpus}
                limit={cap.max_gpus}
                text={gpusOf(cap.used.gpus, cap.max_gpus)}
              />
            )}
            {cap.gpu_hours !== null && (
              <Meter
                label={t.mine.hoursMeter}
                warns
                used={cap.used.gpu_hours}
                limit={cap.gpu_hours}
                text={hoursOf(cap.used.gpu_hours, cap.gpu_hours)}
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
                <span className="text-body-secondary small">
                  {t.inParentheses(t.mine.origin(limits[field].origin))}
                </span>
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

function gpusOf(used: number, limit: QuotaValue): string {
  const max = asNumber(limit);
  return max === null ? t.mine.unlimited(whole(used)) : t.mine.of(whole(used), whole(max));
}

function hoursOf(used: number, limit: QuotaValue): string {
  const max = asNumber(limit);
  return max === null
    ? t.mine.hoursUnlimited(amount(used))
    : t.mine.hoursOf(amount(used), amount(max));
}
