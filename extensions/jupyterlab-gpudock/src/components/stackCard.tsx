import type { ReactElement, ReactNode } from 'react';

import type { IActions } from './actions';
import type { IEnvironments, IFinding, IStack } from '../model/contract';
import type { IGPUView } from '../model/tokens';
import { findingQuote, findingMessage } from '../messages/verdict';
import { useDisplay } from './display';
import { Sign } from './notice';
import { Quote } from './message';

/** The stack from driver to cuDNN, with the verdict on it. */
export function StackCard(props: {
  stack: IStack | null;
  status: IGPUView['stackStatus'];
  environments: IEnvironments | null;
  actions: IActions;
}): ReactElement {
  const { stack, status, environments, actions } = props;
  const { trans } = useDisplay();
  return (
    <section className="jp-GPUDock-card" aria-label={trans.__('Software stack')}>
      <header className="jp-GPUDock-card-header">
        <h3>{trans.__('Software stack')}</h3>
        <button
          type="button"
          className="jp-GPUDock-button"
          disabled={status === 'loading'}
          onClick={actions.refreshStack}
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
        {status !== 'failed' && stack && <Verdict stack={stack} />}
      </div>
      {stack && <Environment stack={stack} environments={environments} actions={actions} />}
      {stack && <Versions stack={stack} />}
    </section>
  );
}

/** What keeps an environment from the GPU, and is nobody's fault. */
const NO_ALARM = ['no_python', 'probe_timeout', 'torch_missing', 'no_gpu', 'no_driver'];
const SIGNS = { ok: 'good', note: 'normal', warning: 'notice', error: 'alarm' } as const;

function Verdict({ stack }: { stack: IStack }): ReactNode {
  const { trans } = useDisplay();
  return stack.verdict.findings.map((finding: IFinding, place) => (
    <p key={`${place} ${finding.code}`} className="jp-GPUDock-verdict" data-code={finding.code}>
      <Sign level={NO_ALARM.includes(finding.code) ? 'notice' : SIGNS[finding.level]} />
      <span>
        {findingMessage(finding, trans)}
        {findingQuote(finding) && <Quote words={findingQuote(finding)} />}
        {finding.source && (
          <>
            {' '}
            <a href={finding.source} target="_blank" rel="noreferrer">
              {trans.__('Source')}
            </a>
          </>
        )}
      </span>
    </p>
  ));
}

/** Whose stack it is; where there are several kernels, a choice. */
function Environment(props: {
  stack: IStack;
  environments: IEnvironments | null;
  actions: IActions;
}): ReactElement {
  const { stack, environments, actions } = props;
  const { trans } = useDisplay();
  const others = environments?.environments ?? [];
  return (
    <label className="jp-GPUDock-value">
      <span className="jp-GPUDock-label">{trans.__('Kernel')}</span>
      {others.length > 1 ? (
        <select
          className="jp-GPUDock-select"
          value={stack.kernel}
          onChange={event => actions.chooseKernel(event.target.value)}
        >
          {others.map(({ kernel, display_name: name }) => (
            <option key={kernel} value={kernel}>
              {name}
            </option>
          ))}
        </select>
      ) : (
        <span className="jp-GPUDock-number">{stack.kernel_display_name}</span>
      )}
    </label>
  );
}

function Versions({ stack }: { stack: IStack }): ReactElement {
  const { trans } = useDisplay();
  const { environment } = stack;
  const none = trans.__('none');
  const { cudnn, cudnn_built: built } = environment;
  const rows: [string, string][] = [
    [trans.__('Driver'), stack.driver ?? none],
    [
      trans.__('CUDA of driver'),
      stack.driver_cuda ? trans.__('up to %1', stack.driver_cuda) : none
    ],
    [trans.__('torch'), environment.torch ?? none],
    [trans.__('CUDA of torch'), environment.torch_cuda ?? none],
    [
      trans.__('cuDNN'),
      cudnn && built && built !== cudnn
        ? trans.__('%1, built with %2', cudnn, built)
        : (cudnn ?? none)
    ],
    [trans.__('NCCL'), environment.nccl ?? none],
    [
      trans.__('Compute capability'),
      stack.compute_capabilities.length > 0 ? stack.compute_capabilities.join(', ') : none
    ],
    [
      trans.__('torch is built for'),
      environment.archs.length > 0 ? environment.archs.join(' ') : none
    ],
    [trans.__('Python'), environment.python ?? trans.__('unknown')]
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
