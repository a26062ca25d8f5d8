import type { ReactElement, ReactNode } from 'react';

import type { IActions } from './actions';
import type { IGPU, ILease } from '../model/contract';
import {
  isNumber,
  percentOf,
  formatClock,
  formatMemory,
  formatName,
  formatPower,
  formatTemperature,
  formatUtilization
} from '../messages/format';
import { healthRemarks, throttleRemarks } from '../messages/gpu';
import type { IPoint } from '../model/history';
import { useDisplay } from './display';
import { Metric, Value } from './metric';
import { Sign } from './notice';
import { Processes } from './processes';
import { StateNotice } from './stateNotice';

/** What is worse comes first. */
const WEIGHTS = { normal: 0, notice: 1, alarm: 2 } as const;

/** The upper edge of a line processOwner metric names no highest value. */
const USUAL_HIGHEST_C = 100;
const USUAL_HIGHEST_W = 400;

/** What is shown of one GPU. */
export interface IGPUProps {
  gpu: IGPU;
  points: readonly IPoint[];
  intervalS: number;
  lease: ILease | null;
  actions: IActions;
}

/** One GPU: what it is, how it fares, and who uses it. */
export function GPUCard(props: IGPUProps): ReactElement {
  const { gpu } = props;
  const { trans } = useDisplay();
  const title = formatName(gpu, trans);
  return (
    <section
      className="jp-GPUDock-card"
      data-uuid={gpu.uuid}
      data-state={gpu.state}
      aria-label={trans.__('GPU %1: %2', gpu.index, title)}
    >
      <header className="jp-GPUDock-card-header" title={gpu.uuid}>
        <h3>{title}</h3>
        <span className="jp-GPUDock-index">{trans.__('GPU %1', gpu.index)}</span>
        <Chips gpu={gpu} />
      </header>
      <GPUDetails {...props} />
    </section>
  );
}

/** What sets a GPU apart: its MIG profile. */
function Chips({ gpu }: { gpu: IGPU }): ReactNode {
  const { trans } = useDisplay();
  return (
    gpu.mig_profile && (
      <div className="jp-GPUDock-chips">
        <span className="jp-GPUDock-chip">{trans.__('MIG %1', gpu.mig_profile)}</span>
      </div>
    )
  );
}

/** How a GPU fares, and who uses it; or why that cannot be told. */
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
  const { utilization_percent: use, memory_total_mib: total, power_limit_w: limit } = gpu;
  const slowdown = gpu.temperature_slowdown_c;
  const shared = { points, intervalS };
  return (
    <>
      <Metric
        label={trans.__('Use')}
        shown={formatUtilization(gpu, display)}
        line={{ ...shared, metric: 'utilization_percent', top: 100 }}
        percent={isNumber(use) ? use : null}
      />
      <Metric
        label={trans.__('Memory')}
        shown={formatMemory(gpu, display)}
        line={{ ...shared, metric: 'memory_used_mib', top: isNumber(total) ? total : 0 }}
        percent={percentOf(gpu.memory_used_mib, total)}
      />
      <Metric
        label={trans.__('Temperature')}
        shown={formatTemperature(gpu, display)}
        line={{
          ...shared,
          metric: 'temperature_c',
          top: isNumber(slowdown) ? slowdown : USUAL_HIGHEST_C
        }}
      />
      <Metric
        label={trans.__('Power')}
        shown={formatPower(gpu, display)}
        line={{ ...shared, metric: 'power_w', top: isNumber(limit) ? limit : USUAL_HIGHEST_W }}
      />
      <Value
        label={trans.__('Clock')}
        shown={formatClock(gpu.sm_clock_mhz, gpu.sm_clock_max_mhz, trans)}
      />
      <Value
        label={trans.__('Memory clock')}
        shown={formatClock(gpu.memory_clock_mhz, gpu.memory_clock_max_mhz, trans)}
      />
      <Links gpu={gpu} />
    </>
  );
}

/** How a GPU is connected; nothing where it does not tell. */
function Links({ gpu }: { gpu: IGPU }): ReactNode {
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
    parts.length > 0 && (
      <Value
        label={trans.__('Connection')}
        shown={{ text: parts.join(', '), level: 'normal', word: '' }}
      />
    )
  );
}

/** What slows a GPU down, and what is wrong with its memory. */
function Remarks({ gpu }: { gpu: IGPU }): ReactNode {
  const { trans } = useDisplay();
  const remarks = [...throttleRemarks(gpu, trans), ...healthRemarks(gpu, trans)].sort(
    (one, other) => WEIGHTS[other.level] - WEIGHTS[one.level]
  );
  return (
    remarks.length > 0 && (
      <ul className="jp-GPUDock-remarks">
        {[...new Map(remarks.map(remark => [remark.text, remark])).values()].map(
          ({ level, text }) => (
            <li key={text} className="jp-GPUDock-verdict">
              <Sign level={level} />
              <span>{text}</span>
            </li>
          )
        )}
      </ul>
    )
  );
}
