/** What a GPU does right now, in words and bars. */
import type { GPU } from '../api/types';
import { inGibibytes, watts, whole } from '../lib/format';
import { t } from '../strings';

export function Readings({ gpu }: { readonly gpu: GPU }) {
  const values = gpu.telemetry;
  if (values === null) return null;
  const memory = values.memory_used_mib;
  return (
    <dl className="gd-readings mb-0">
      <Reading
        label={t.lab.use}
        text={values.utilization_percent === null ? null : `${values.utilization_percent} %`}
        part={values.utilization_percent === null ? null : values.utilization_percent / 100}
      />
      <Reading
        label={t.lab.memory}
        text={
          memory === null
            ? null
            : t.lab.memoryUsed(inGibibytes(memory), inGibibytes(gpu.memory_mib))
        }
        part={memory === null ? null : memory / gpu.memory_mib}
      />
      <Reading
        label={t.lab.temperature}
        text={values.temperature_c === null ? null : `${whole(values.temperature_c)} °C`}
      />
      <Reading
        label={t.lab.power}
        text={
          values.power_w === null
            ? null
            : t.lab.watts(
                watts(values.power_w),
                values.power_limit_w === null ? null : watts(values.power_limit_w)
              )
        }
      />
    </dl>
  );
}

interface ReadingProps {
  readonly label: string;
  readonly text: string | null;
  readonly part?: number | null;
}

function Reading({ label, text, part }: ReadingProps) {
  return (
    <div className="gd-reading">
      <dt>{label}</dt>
      <dd>
        {text ?? <span className="text-body-secondary">{t.lab.unknown}</span>}
        {part !== undefined && part !== null && (
          <span className="gd-bar" aria-hidden="true">
            <span style={{ width: `${Math.min(1, Math.max(0, part)) * 100}%` }} />
          </span>
        )}
      </dd>
    </div>
  );
}
