import type { ReactElement, ReactNode } from 'react';

import {
  formatClock,
  formatMemory,
  formatName,
  formatPower,
  formatTemperature,
  formatUtilization,
  isNumber,
  percentOf,
  plain
} from '../messages/format';
import { gpuRemarks } from '../messages/gpu';
import type { IGPU, ILease } from '../model/contract';
import type { IPoint } from '../model/history';
import type { IActions } from './actions';
import { useDisplay } from './display';
import { Metric, Value } from './metric';
import { Sign } from './notice';
import { Processes } from './processes';
import { StateNotice } from './stateNotice';

/** The top of a chart whose metric has no known maximum. */
const DEFAULT_TOP_C = 100;
const DEFAULT_TOP_W = 400;

/** One GPU, and what is shown with it. */
export interface IGPUProps {
  gpu: IGPU;
  /** Its name in this server. */
  label: string;
  points: readonly IPoint[];
  intervalS: number;
  lease: ILease | null;
  actions: IActions;
}

/** One of a few GPUs. */
export function GPUCard(props: IGPUProps): ReactElement {
  const { gpu, label } = props;
  const { uuid, state, mig_profile: profile } = gpu;
  const { trans } = useDisplay();
  const name = formatName(gpu, trans);
  return (
    <section
      className="jp-GPUDock-card"
      data-uuid={uuid}
      data-state={state}
      aria-label={trans.__('%1: %2', label, name)}
    >
      <header className="jp-GPUDock-card-header" title={uuid}>
        <h3>{name}</h3>
        <span className="jp-GPUDock-index">{label}</span>
        {profile && (
          <div className="jp-GPUDock-chips">
            <span className="jp-GPUDock-chip">{trans.__('MIG %1', profile)}</span>
          </div>
        )}
      </header>
      <GPUDetails {...props} />
    </section>
  );
}

/** The metrics and the processes of a GPU, or why these cannot be read. */
export function GPUDetails(props: IGPUProps): ReactElement {
  const { gpu, lease, actions } = props;
  if (gpu.state !== 'ok') {
    return (
      <StateNotice
        state={gpu.state}
        detail={gpu.detail}
        level={gpu.state === 'hanging' ? 'notice' : 'alarm'}
        lease={lease}
        actions={actions}
      />
    );
  }
  return (
    <>
      <Metrics {...props} />
      <Remarks gpu={gpu} />
      <Processes processes={gpu.processes} actions={actions} />
    </>
  );
}

function Metrics({ gpu, points, intervalS }: IGPUProps): ReactElement {
  const display = useDisplay();
  const { trans } = display;
  const {
    utilization_percent: utilization,
    memory_total_mib: total,
    temperature_slowdown_c: slowdown,
    power_limit_w: limit
  } = gpu;
  const chart = { points, intervalS };
  return (
    <>
      <Metric
        label={trans.__('Utilization')}
        value={formatUtilization(gpu, display)}
        chart={{ ...chart, metric: 'utilization_percent', top: 100 }}
        percent={isNumber(utilization) ? utilization : null}
      />
      <Metric
        label={trans.__('Memory')}
        value={formatMemory(gpu, display)}
        chart={{ ...chart, metric: 'memory_used_mib', top: isNumber(total) ? total : 0 }}
        percent={percentOf(gpu.memory_used_mib, total)}
      />
      <Metric
        label={trans.__('Temperature')}
        value={formatTemperature(gpu, display)}
        chart={{
          ...chart,
          metric: 'temperature_c',
          top: isNumber(slowdown) ? slowdown : DEFAULT_TOP_C
        }}
      />
      <Metric
        label={trans.__('Power')}
        value={formatPower(gpu, display)}
        chart={{ ...chart, metric: 'power_w', top: isNumber(limit) ? limit : DEFAULT_TOP_W }}
      />
      <Value
        label={trans.__('Clock')}
        value={formatClock(gpu.sm_clock_mhz, gpu.sm_clock_max_mhz, trans)}
      />
      <Value
        label={trans.__('Memory clock')}
        value={formatClock(gpu.memory_clock_mhz, gpu.memory_clock_max_mhz, trans)}
      />
      <Connections gpu={gpu} />
    </>
  );
}

/** PCIe and NVLink, if the GPU reports them. */
function Connections({ gpu }: { gpu: IGPU }): ReactNode {
  const { trans } = useDisplay();
  const { pcie, nvlinks } = gpu;
  const parts: string[] = [];
  if (pcie?.generation && pcie.width) {
    parts.push(trans.__('PCIe %1 ×%2', pcie.generation, pcie.width));
  }
  if (nvlinks) {
    parts.push(trans._n('%1 NVLink', '%1 NVLinks', nvlinks));
  }
  return (
    parts.length > 0 && <Value label={trans.__('Connection')} value={plain(parts.join(', '))} />
  );
}

function Remarks({ gpu }: { gpu: IGPU }): ReactNode {
  const { trans } = useDisplay();
  const remarks = gpuRemarks(gpu, trans);
  return (
    remarks.length > 0 && (
      <ul className="jp-GPUDock-remarks">
        {remarks.map(({ level, text }) => (
          <li key={text} className="jp-GPUDock-verdict">
            <Sign level={level} />
            <span>{text}</span>
          </li>
        ))}
      </ul>
    )
  );
}
