import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement } from 'react';

import type { IStack } from '../api';
import type { IGPUView } from '../tokens';
import { wordsForVerdict } from '../words';
import { Sign } from './notice';

/** The stack from driver to cuDNN, with the verdict on it. */
export function StackCard(props: {
  stack: IStack | null;
  status: IGPUView['stackStatus'];
  onRefresh: () => void;
  trans: TranslationBundle;
}): ReactElement {
  const { stack, status, trans } = props;
  return (
    <section className="jp-GPUDock-card" aria-label={trans.__('Software stack')}>
      <header className="jp-GPUDock-card-header">
        <h3>{trans.__('Software stack')}</h3>
        <button
          type="button"
          className="jp-GPUDock-button"
          disabled={status === 'loading'}
          onClick={props.onRefresh}
        >
          {status === 'loading' ? trans.__('Checking…') : trans.__('Check again')}
        </button>
      </header>
      <div role="status">
        {status === 'failed' && (
          <p className="jp-GPUDock-verdict">
            <Sign level="notice" />
            <span>{trans.__('The server could not look at the environment. Check again.')}</span>
          </p>
        )}
        {status !== 'failed' && !stack && (
          <p className="jp-GPUDock-hint">
            {trans.__('Asking the kernel’s environment for its versions…')}
          </p>
        )}
        {status !== 'failed' && stack && (
          <p className="jp-GPUDock-verdict" data-code={stack.verdict.code}>
            <Sign level={levelOf(stack)} />
            <span>{wordsForVerdict(stack, trans)}</span>
          </p>
        )}
      </div>
      {stack && <Versions stack={stack} trans={trans} />}
    </section>
  );
}

function levelOf({ verdict }: IStack): 'good' | 'notice' | 'alarm' {
  if (verdict.usable) {
    return verdict.code === 'usable' ? 'good' : 'notice';
  }
  return ['no_python', 'probe_timeout', 'torch_missing', 'no_gpu', 'no_driver'].includes(
    verdict.code
  )
    ? 'notice'
    : 'alarm';
}

function Versions(props: { stack: IStack; trans: TranslationBundle }): ReactElement {
  const { stack, trans } = props;
  const { environment } = stack;
  const none = trans.__('none');
  const rows: [string, string][] = [
    [trans.__('Driver'), stack.driver ?? none],
    [
      trans.__('CUDA of driver'),
      stack.driver_cuda ? trans.__('up to %1', stack.driver_cuda) : none
    ],
    [trans.__('torch'), environment.torch ?? none],
    [trans.__('CUDA of torch'), environment.torch_cuda ?? none],
    [trans.__('cuDNN'), environment.cudnn ?? none],
    [trans.__('Python'), environment.python ?? trans.__('unknown')],
    [trans.__('Kernel'), stack.kernel_display_name]
  ];
  return (
    <dl className="jp-GPUDock-versions">
      {rows.map(([label, value]) => (
        <div key={label} className="jp-GPUDock-value">
          <dt className="jp-GPUDock-label">{label}</dt>
          <dd className="jp-GPUDock-number">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
