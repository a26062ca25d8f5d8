import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement } from 'react';

import type { IGPU, ILease } from '../api';
import {
  isNumber,
  share,
  showAge,
  showClock,
  showMemory,
  showPower,
  showTemperature,
  showUse
} from '../format';
import type { IPoint } from '../history';
import { wordsForState } from '../words';
import { Meter, Value } from './meter';
import { Notice } from './notice';
import { Sparkline, spanOf } from './sparkline';

/** One GPU: what it is, and how it fares. */
export function GPUCard(props: {
  gpu: IGPU;
  points: readonly IPoint[];
  intervalS: number;
  lease: ILease | null;
  trans: TranslationBundle;
}): ReactElement {
  const { gpu, trans } = props;
  const title = gpu.name.replace(/^NVIDIA /, '') || trans.__('Unknown GPU');
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
        {gpu.mig_profile && (
          <div className="jp-GPUDock-chips">
            <span className="jp-GPUDock-chip">{trans.__('MIG %1', gpu.mig_profile)}</span>
          </div>
        )}
      </header>
      {gpu.state === 'ok' ? (
        <Metrics {...props} />
      ) : (
        <Notice level="alarm" words={wordsForState(gpu.state, gpu.detail, props.lease, trans)} />
      )}
    </section>
  );
}

function Metrics(props: {
  gpu: IGPU;
  points: readonly IPoint[];
  intervalS: number;
  trans: TranslationBundle;
}): ReactElement {
  const { gpu, points, intervalS, trans } = props;
  const use = gpu.utilization_percent;
  return (
    <>
      <Meter
        label={trans.__('Use')}
        shown={showUse(gpu, trans)}
        percent={isNumber(use) ? use : null}
      />
      {points.length > 1 && (
        <Sparkline
          points={points}
          intervalS={intervalS}
          label={trans.__('Use over the last %1', showAge(1000 * spanOf(points), trans))}
        />
      )}
      <Meter
        label={trans.__('Memory')}
        shown={showMemory(gpu, trans)}
        percent={share(gpu.memory_used_mib, gpu.memory_total_mib)}
      />
      <Value label={trans.__('Temperature')} shown={showTemperature(gpu, trans)} />
      <Value label={trans.__('Power')} shown={showPower(gpu, trans)} />
      <Value label={trans.__('Clock')} shown={showClock(gpu, trans)} />
    </>
  );
}
