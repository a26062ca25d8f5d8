import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement } from 'react';

import { formatSize, plain } from '../messages/format';
import { kernelMessage, releaseMessage } from '../messages/kernel';
import type { IKernelMemory, IKernelState } from '../model/contract';
import type { IKernelView } from '../model/kernel';
import type { IActions } from './actions';
import { useDisplay } from './display';
import { Button, Card, Rows } from './elements';
import { Message } from './message';
import { Value } from './metric';

/** The live state of the active kernel. */
export function KernelCard(props: { view: IKernelView; actions: IActions }): ReactElement {
  const { view, actions } = props;
  const display = useDisplay();
  const { trans } = display;
  const { state, status, released } = view;
  const isBusy = status === 'busy';
  return (
    <Card
      title={trans.__('Active kernel')}
      header={view.title && <span className="jp-GPUDock-index">{view.title}</span>}
    >
      <p className="jp-GPUDock-hint" role="status">
        {kernelMessage(view, trans)}
      </p>
      {state?.torch_loaded && <State state={state} />}
      {released && (
        <div role="status">
          <Message className="jp-GPUDock-hint" {...releaseMessage(released, display)} />
        </div>
      )}
      {status !== 'none' && status !== 'unsupported' && (
        <div className="jp-GPUDock-buttons">
          {state?.torch_loaded && (
            <Button disabled={isBusy || view.releasing} onClick={actions.releaseMemory}>
              {view.releasing ? trans.__('Releasing…') : trans.__('Release cached memory')}
            </Button>
          )}
          <Button disabled={isBusy} onClick={actions.refreshKernel}>
            {trans.__('Refresh')}
          </Button>
        </div>
      )}
    </Card>
  );
}

function State({ state }: { state: IKernelState }): ReactElement {
  const { trans } = useDisplay();
  return (
    <>
      <Rows
        rows={[
          [trans.__('torch'), state.torch ?? trans.__('unknown')],
          [
            trans.__('cuDNN'),
            state.cudnn_available === false
              ? trans.__('not available')
              : [onOff(state.cudnn_enabled, trans), state.cudnn_version].filter(Boolean).join(', ')
          ],
          [trans.__('cuDNN benchmark'), onOff(state.benchmark, trans)],
          [trans.__('cuDNN deterministic'), onOff(state.deterministic, trans)],
          [
            trans.__('TF32 (matmul)'),
            precision(state.tf32_matmul, state.fp32_precision_matmul, trans)
          ],
          [
            trans.__('TF32 (cuDNN)'),
            precision(state.tf32_cudnn, state.fp32_precision_cudnn, trans)
          ],
          [
            trans.__('Autocast'),
            state.autocast && state.autocast_dtype
              ? trans.__('on, %1', state.autocast_dtype)
              : onOff(state.autocast, trans)
          ]
        ]}
      />
      {state.devices.map(device => (
        <Memory key={device.index} device={device} />
      ))}
      {state.errors.length > 0 && (
        <Message
          className="jp-GPUDock-hint"
          text={trans.__('Some values could not be read:')}
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
  const rows = [
    [trans.__('Allocated'), device.allocated_mib],
    [trans.__('Reserved'), device.reserved_mib],
    [trans.__('Peak allocated'), device.peak_allocated_mib],
    [trans.__('Peak reserved'), device.peak_reserved_mib]
  ] as const;
  return (
    <div className="jp-GPUDock-versions">
      <h4>{trans.__('torch memory on cuda:%1', device.index)}</h4>
      {rows.map(([label, size]) => (
        <Value key={label} label={label} value={plain(formatSize(size, display))} />
      ))}
    </div>
  );
}
