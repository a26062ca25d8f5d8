/** The current telemetry of a GPU, as text and bars. */
import type { GPU } from '../api/types';
import { inGibibytes, inPercent, watts } from '../lib/format';
import { whole } from '../lib/numbers';
import { t } from '../strings';

export function Telemetry({ gpu }: { readonly gpu: GPU }) {
  if (gpu.telemetry === null) return null;
  const { utilization_percent, memory_used_mib, temperature_c, power_w, power_limit_w } =
    gpu.telemetry;
  const memory = (used: number) => t.lab.memoryUsed(inGibibytes(used), inGibibytes(gpu.memory_mib));
  const power = (value: number) =>
    power_limit_w === null ? watts(value) : t.lab.powerOf(watts(value), watts(power_limit_w));
  return (
    <dl className="gd-readings mb-0">
      <Reading label={t.lab.utilization} value={utilization_percent} max={100} show={inPercent} />
      <Reading label={t.lab.memory} value={memory_used_mib} max={gpu.memory_mib} show={memory} />
      <Reading
        label={t.lab.temperature}
        value={temperature_c}
        show={value => `${whole(value)} °C`}
      />
      <Reading label={t.lab.power} value={power_w} show={power} />
    </dl>
  );
}

interface ReadingProps {
  readonly label: string;
  readonly value: number | null;
  /** The value of a full bar; no bar without it. */
  readonly max?: number;
  readonly show: (value: number) => string;
}

function Reading({ label, value, max, show }: ReadingProps) {
  return (
    <div className="gd-reading">
      <dt>{label}</dt>
      <dd>
        {value === null ? (
          <span className="text-body-secondary">{t.lab.unknown}</span>
        ) : (
          show(value)
        )}
        {value !== null && max !== undefined && (
          <span className="gd-bar" aria-hidden="true">
            <span style={{ width: `${Math.min(1, Math.max(0, value / max)) * 100}%` }} />
          </span>
        )}
      </dd>
    </div>
  );
}
