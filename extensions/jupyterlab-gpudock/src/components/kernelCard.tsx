import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement, ReactNode } from 'react';

import type { IActions } from './actions';
import type { IKernelMemory, IKernelState, IRelease } from '../model/contract';
import { formatSize } from '../messages/format';
import type { IKernelView } from '../model/kernel';
import { useDisplay } from './display';
import { Value } from './metric';
import { Quote, Message } from './message';

/** The live state of the kernel that is worked in. */
export function KernelCard(props: { view: IKernelView; actions: IActions }): ReactElement {
  const { view, actions } = props;
  const { trans } = useDisplay();
  const { state, status } = view;
  const isBusy = status === 'busy';
  return (
    <section className="jp-GPUDock-card" aria-label={trans.__('Active kernel')}>
      <header className="jp-GPUDock-card-header">
        <h3>{trans.__('Active kernel')}</h3>
        {view.title && <span className="jp-GPUDock-index">{view.title}</span>}
      </header>
      <p className="jp-GPUDock-hint" role="status">
        {wordsFor(view, trans)}
      </p>
      {state?.torch_loaded && <State state={state} />}
      {view.released && <Released released={view.released} />}
      {status !== 'none' && status !== 'unsupported' && (
        <div className="jp-GPUDock-buttons">
          {state?.torch_loaded && (
            <button
              type="button"
              className="jp-GPUDock-button"
              disabled={isBusy || view.releasing}
              onClick={actions.releaseMemory}
            >
              {view.releasing ? trans.__('Releasing…') : trans.__('Release cached memory')}
            </button>
          )}
          <button
            type="button"
            className="jp-GPUDock-button"
            disabled={isBusy}
            onClick={actions.askKernel}
          >
            {trans.__('Ask again')}
          </button>
        </div>
      )}
    </section>
  );
}

function wordsFor({ status, state }: IKernelView, trans: TranslationBundle): string {
  switch (status) {
    case 'none':
      return trans.__(
        'Open a notebook or a console with a Python kernel: what its torch does with the GPU is shown here, without disturbing it.'
      );
    case 'unsupported':
      return trans.__('This kernel does not speak Python, so it cannot be asked.');
    case 'waiting':
      return trans.__('Waiting for the kernel…');
    case 'busy':
      return state
        ? trans.__('The kernel is busy and is not disturbed. This is from before:')
        : trans.__('The kernel is busy and is not disturbed. It is asked when it is done.');
    case 'failed':
      return trans.__('The kernel did not answer. It may have been restarted; ask again.');
    case 'known':
      if (!state?.torch_loaded) {
        return trans.__('torch is not loaded in this kernel.');
      }
      return state.cuda_initialized === false
        ? trans.__('torch is loaded, and has not used a GPU yet.')
        : trans.__('torch is loaded.');
  }
}

function State({ state }: { state: IKernelState }): ReactElement {
  const display = useDisplay();
  const { trans } = display;
  const rows: [string, string][] = [
    [trans.__('torch'), state.torch ?? trans.__('unknown')],
    [
      trans.__('cuDNN'),
      state.cudnn_available === false
        ? trans.__('not there')
        : [onOff(state.cudnn_enabled, trans), state.cudnn_version].filter(Boolean).join(', ')
    ],
    [trans.__('cuDNN benchmark'), onOff(state.benchmark, trans)],
    [trans.__('cuDNN deterministic'), onOff(state.deterministic, trans)],
    [trans.__('TF32 (matmul)'), precision(state.tf32_matmul, state.fp32_precision_matmul, trans)],
    [trans.__('TF32 (cuDNN)'), precision(state.tf32_cudnn, state.fp32_precision_cudnn, trans)],
    [
      trans.__('Autocast'),
      state.autocast && state.autocast_dtype
        ? trans.__('on, %1', state.autocast_dtype)
        : onOff(state.autocast, trans)
    ]
  ];
  return (
    <>
      <dl className="jp-GPUDock-versions">
        {rows.map(([label, value]) => (
          <div key={label} className="jp-GPUDock-value">
            <dt className="jp-GPUDock-label">{label}</dt>
            <dd className="jp-GPUDock-number">{value}</dd>
          </div>
        ))}
      </dl>
      {state.devices.map(device => (
        <Memory key={device.index} device={device} />
      ))}
      {state.errors.length > 0 && (
        <Message
          className="jp-GPUDock-hint"
          text={trans.__('Some of it could not be read:')}
          quote={state.errors.join('; ')}
        />
      )}
    </>
  );
}

function onOff(value: boolean | null, trans: TranslationBundle): string {
  return value === null ? trans.__('unknown') : value ? trans.__('on') : trans.__('off');
}

function precision(on: boolean | null, name: string | null, trans: TranslationBundle): string {
  const isSet = name !== null && name !== 'none';
  return isSet ? `${onOff(on, trans)} (${name})` : onOff(on, trans);
}

function Memory({ device }: { device: IKernelMemory }): ReactElement {
  const display = useDisplay();
  const { trans } = display;
  const shown = (mebibytes: number): { text: string; level: 'normal'; word: string } => ({
    text: formatSize(mebibytes, display),
    level: 'normal',
    word: ''
  });
  return (
    <div className="jp-GPUDock-versions">
      <h4>{trans.__('Memory of torch on cuda:%1', device.index)}</h4>
      <Value label={trans.__('In tensors')} shown={shown(device.allocated_mib)} />
      <Value label={trans.__('Reserved')} shown={shown(device.reserved_mib)} />
      <Value label={trans.__('Most in tensors')} shown={shown(device.peak_allocated_mib)} />
      <Value label={trans.__('Most reserved')} shown={shown(device.peak_reserved_mib)} />
    </div>
  );
}

function Released({ released }: { released: IRelease }): ReactNode {
  const display = useDisplay();
  const { trans } = display;
  return (
    <p className="jp-GPUDock-hint" role="status">
      {released.reason === 'released' &&
        (released.freed_mib > 0
          ? trans.__('%1 were given back to the GPU.', formatSize(released.freed_mib, display))
          : trans.__('There was no cached memory to release: tensors use all of it.'))}
      {released.reason === 'torch_not_loaded' && trans.__('torch is not loaded in this kernel.')}
      {released.reason === 'cuda_not_used' &&
        trans.__('torch has not used a GPU in this kernel: there is nothing to release.')}
      {released.reason === 'failed' && (
        <>
          {trans.__('The memory could not be released.')}
          {released.errors.length > 0 && <Quote words={released.errors.join(' ')} />}
        </>
      )}
    </p>
  );
}
