import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement } from 'react';

import type { IGPU } from '../model/contract';
import {
  isNumber,
  type IDisplayValue,
  percentOf,
  formatMemory,
  formatName,
  formatTemperature,
  formatUtilization
} from '../messages/format';
import { useDisplay } from './display';
import { stateMessage } from '../messages/state';
import { GPUDetails, type IGPUProps } from './gpuCard';
import { Bar } from './metric';

/** What a GPU of many is called. */
export function titleOf(gpu: IGPU, trans: TranslationBundle): string {
  const name = formatName(gpu, trans);
  return gpu.mig_profile ? trans.__('%1, MIG %2', name, gpu.mig_profile) : name;
}

/** One GPU of many in two lines, which opens to show all of it. */
export function GPURow(props: IGPUProps & { open: boolean; onToggle: () => void }): ReactElement {
  const { gpu, open, onToggle, lease } = props;
  const display = useDisplay();
  const { trans } = display;
  const title = titleOf(gpu, trans);
  const shown = [
    formatUtilization(gpu, display),
    formatMemory(gpu, display),
    formatTemperature(gpu, display)
  ] as const;
  const words =
    gpu.state === 'ok'
      ? shown.filter(({ level }) => level !== 'normal').map(({ word }) => word)
      : [stateMessage(gpu.state, gpu.detail, lease, trans).title];
  const isAlarm =
    gpu.state === 'ok' ? shown.some(one => one.level === 'alarm') : gpu.state !== 'hanging';
  const level = isAlarm ? 'alarm' : 'notice';
  const numbers = gpu.state === 'ok' ? shown.map(({ text }) => text) : [];
  const id = `jp-gpudock-${gpu.uuid || gpu.index}`;
  return (
    <section
      className="jp-GPUDock-row"
      data-uuid={gpu.uuid}
      data-state={gpu.state}
      aria-label={trans.__('GPU %1: %2', gpu.index, title)}
    >
      <button
        type="button"
        className="jp-GPUDock-row-button"
        aria-expanded={open}
        aria-controls={id}
        aria-label={[trans.__('GPU %1: %2', gpu.index, title), ...numbers, ...words].join(', ')}
        title={gpu.uuid}
        onClick={onToggle}
      >
        <span className="jp-GPUDock-row-index">{gpu.index}</span>
        <span className="jp-GPUDock-row-name">{title}</span>
        {words.map(word => (
          <span key={word} className="jp-GPUDock-row-word" data-level={level}>
            <span className="jp-GPUDock-word">{word}</span>
          </span>
        ))}
      </button>
      {gpu.state === 'ok' && !open && (
        <div className="jp-GPUDock-row-cells">
          <Cell
            label={trans.__('Use')}
            shown={shown[0]}
            percent={isNumber(gpu.utilization_percent) ? gpu.utilization_percent : null}
          />
          <Cell
            label={trans.__('Memory')}
            shown={shown[1]}
            percent={percentOf(gpu.memory_used_mib, gpu.memory_total_mib)}
          />
          <Cell label={trans.__('Temperature')} shown={shown[2]} percent={null} />
        </div>
      )}
      <div id={id} className="jp-GPUDock-row-details" hidden={!open}>
        {open && <GPUDetails {...props} />}
      </div>
    </section>
  );
}

function Cell(props: {
  label: string;
  shown: IDisplayValue;
  percent: number | null;
}): ReactElement {
  const { label, shown, percent } = props;
  return (
    <div className="jp-GPUDock-cell" data-level={shown.level} title={label}>
      <span className="jp-GPUDock-number">{shown.text}</span>
      {percent !== null && <Bar label={label} shown={shown} percent={percent} />}
    </div>
  );
}
