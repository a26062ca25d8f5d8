import type { ReactElement, ReactNode } from 'react';

import { findingMessage } from '../messages/verdict';
import type { IEnvironments, IFinding, IStack } from '../model/contract';
import type { IGPUView } from '../model/tokens';
import type { IActions } from './actions';
import { useDisplay } from './display';
import { Button, Card, Rows } from './elements';
import { Quote } from './message';
import { Sign } from './notice';

/** The software stack from driver to cuDNN, and whether it can use the GPUs. */
export function StackCard(props: {
  stack: IStack | null;
  status: IGPUView['stackStatus'];
  environments: IEnvironments | null;
  actions: IActions;
}): ReactElement {
  const { stack, status, environments, actions } = props;
  const { trans } = useDisplay();
  return (
    <Card
      title={trans.__('Software stack')}
      header={
        <Button disabled={status === 'loading'} onClick={actions.refreshStack}>
          {status === 'loading' ? trans.__('Checking…') : trans.__('Check again')}
        </Button>
      }
    >
      <div role="status">
        {status === 'failed' ? (
          <p className="jp-GPUDock-verdict">
            <Sign level="notice" />
            <span>{trans.__('The server could not read the environment. Check again.')}</span>
          </p>
        ) : stack ? (
          <Verdict stack={stack} />
        ) : (
          <p className="jp-GPUDock-hint">
            {trans.__("Reading the versions in the kernel's environment…")}
          </p>
        )}
      </div>
      {stack && <KernelSelect stack={stack} environments={environments} actions={actions} />}
      {stack && <Versions stack={stack} />}
    </Card>
  );
}

/** Findings that are errors, but no reason for alarm. */
const NO_ALARM = ['no_python', 'probe_timeout', 'torch_missing', 'no_gpu', 'no_driver'];
const SIGNS = { ok: 'good', note: 'normal', warning: 'notice', error: 'alarm' } as const;

function Verdict({ stack }: { stack: IStack }): ReactNode {
  return stack.verdict.findings.map((finding, place) => (
    <Finding key={`${place} ${finding.code}`} finding={finding} />
  ));
}

function Finding({ finding }: { finding: IFinding }): ReactElement {
  const { code, level, source } = finding;
  const { trans } = useDisplay();
  const { text, quote } = findingMessage(finding, trans);
  return (
    <p className="jp-GPUDock-verdict" data-code={code}>
      <Sign level={NO_ALARM.includes(code) ? 'notice' : SIGNS[level]} />
      <span>
        {text}
        <Quote text={quote} />
        {source && (
          <>
            {' '}
            <a href={source} target="_blank" rel="noreferrer">
              {trans.__('Source')}
            </a>
          </>
        )}
      </span>
    </p>
  );
}

/** The kernel whose stack is shown; with several kernels, a choice. */
function KernelSelect(props: {
  stack: IStack;
  environments: IEnvironments | null;
  actions: IActions;
}): ReactElement {
  const { stack, actions } = props;
  const { trans } = useDisplay();
  const environments = props.environments?.environments ?? [];
  return (
    <label className="jp-GPUDock-value">
      <span className="jp-GPUDock-label">{trans.__('Kernel')}</span>
      {environments.length > 1 ? (
        <select
          className="jp-GPUDock-select"
          value={stack.kernel}
          onChange={event => actions.selectKernel(event.target.value)}
        >
          {environments.map(({ kernel, display_name: name }) => (
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
  const none = trans.__('none');
  const { python, torch, torch_cuda: cuda, cudnn, cudnn_built: built } = stack.environment;
  const { nccl, archs } = stack.environment;
  return (
    <Rows
      rows={[
        [trans.__('Driver'), stack.driver ?? none],
        [
          trans.__('CUDA of driver'),
          stack.driver_cuda ? trans.__('up to %1', stack.driver_cuda) : none
        ],
        [trans.__('torch'), torch ?? none],
        [trans.__('CUDA of torch'), cuda ?? none],
        [
          trans.__('cuDNN'),
          cudnn && built && built !== cudnn
            ? trans.__('%1, built with %2', cudnn, built)
            : (cudnn ?? none)
        ],
        [trans.__('NCCL'), nccl ?? none],
        [trans.__('Compute capability'), stack.compute_capabilities.join(', ') || none],
        [trans.__('torch is built for'), archs.join(' ') || none],
        [trans.__('Python'), python ?? trans.__('unknown')]
      ]}
    />
  );
}
