import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement } from 'react';

import {
  formatMemory,
  formatName,
  formatTemperature,
  formatUtilization,
  type IDisplayValue,
  isNumber,
  percentOf
} from '../messages/format';
import { gpuTrouble } from '../messages/gpu';
import type { IGPU } from '../model/contract';
import { useDisplay } from './display';
import { GPUDetails, type IGPUProps } from './gpuCard';
import { Bar } from './metric';

/** Return the title of a GPU, with its MIG profile. */
export function gpuTitle(gpu: IGPU, trans: TranslationBundle): string {
  const name = formatName(gpu, trans);
  return gpu.mig_profile ? trans.__('%1, MIG %2', name, gpu.mig_profile) : name;
}

/** One of many GPUs, in two lines that expand to show its details. */
export function GPURow(props: IGPUProps & { open: boolean; onToggle: () => void }): ReactElement {
  const { gpu, label, open, onToggle, lease } = props;
  const display = useDisplay();
  const { trans } = display;
  const isOK = gpu.state === 'ok';
  const title = trans.__('%1: %2', label, gpuTitle(gpu, trans));
  const utilization = formatUtilization(gpu, display);
  const memory = formatMemory(gpu, display);
  const temperature = formatTemperature(gpu, display);
  const values = isOK ? [utilization, memory, temperature] : [];
  const warnings = values.filter(({ level }) => level !== 'normal');
  const trouble = gpuTrouble(gpu, lease, trans);
  const words = [...warnings.map(({ word }) => word), ...(trouble ? [trouble.word] : [])];
  const isAlarm = [...warnings, trouble].some(warning => warning?.level === 'alarm');
  const id = `jp-gpudock-${gpu.uuid || gpu.index}`;
  return (
    <section
      className="jp-GPUDock-row"
      data-uuid={gpu.uuid}
      data-state={gpu.state}
      aria-label={title}
    >
      <button
        type="button"
        className="jp-GPUDock-row-button"
        aria-expanded={open}
        aria-controls={id}
        aria-label={[title, ...values.map(({ text }) => text), ...words].join(', ')}
        title={`${label}\n${gpu.uuid}`}
        onClick={onToggle}
      >
        <span className="jp-GPUDock-row-index">{gpu.index}</span>
        <span className="jp-GPUDock-row-name">{gpuTitle(gpu, trans)}</span>
        {words.map(word => (
          <span
            key={word}
            className="jp-GPUDock-row-word"
            data-level={isAlarm ? 'alarm' : 'notice'}
          >
            <span className="jp-GPUDock-word">{word}</span>
          </span>
        ))}
      </button>
      {isOK && !open && (
        <div className="jp-GPUDock-row-cells">
          <Cell
            label={trans.__('Utilization')}
            value={utilization}
            percent={isNumber(gpu.utilization_percent) ? gpu.utilization_percent : null}
          />
          <Cell
            label={trans.__('Memory')}
            value={memory}
            percent={percentOf(gpu.memory_used_mib, gpu.memory_total_mib)}
          />
          <Cell label={trans.__('Temperature')} value={temperature} percent={null} />
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
  value: IDisplayValue;
  percent: number | null;
}): ReactElement {
  const { label, value, percent } = props;
  return (
    <div className="jp-GPUDock-cell" data-level={value.level} title={label}>
      <span className="jp-GPUDock-number">{value.text}</span>
      {percent !== null && <Bar label={label} value={value} percent={percent} />}
    </div>
  );
}
