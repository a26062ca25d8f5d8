import { type ReactElement, type ReactNode, useState } from 'react';

import {
  checkMessage,
  startErrorMessage,
  stepFigures,
  stepName,
  stepResult
} from '../messages/check';
import { formatName } from '../messages/format';
import { gpuLabel } from '../messages/gpu';
import type { IChecksView } from '../model/checks';
import type { ICheck, IEnvironments, IGPU, ILease } from '../model/contract';
import type { IActions } from './actions';
import { useDisplay } from './display';
import { Button, Card } from './elements';
import { Message } from './message';

/** Runs a short check of a GPU and shows what it measured. */
export function CheckCard(props: {
  gpus: readonly IGPU[];
  checks: IChecksView;
  lease: ILease | null;
  environments: IEnvironments | null;
  actions: IActions;
}): ReactNode {
  const { gpus, checks, lease, environments, actions } = props;
  const { trans } = useDisplay();
  const [selected, setSelected] = useState('');
  const healthy = gpus.filter(({ state }) => state === 'ok');
  const gpu = healthy.find(({ uuid }) => uuid === selected) ?? healthy[0];
  if (!gpu) {
    return null;
  }
  const check = checks.byGPU.get(gpu.uuid);
  const isRunning = check?.state === 'running';
  // The server refuses to check a simulated GPU. That is known before anybody asks.
  const error = gpu.simulated
    ? { gpu: gpu.uuid, code: 'simulated', parameters: {} }
    : checks.error?.gpu === gpu.uuid
      ? checks.error
      : null;
  return (
    <Card
      title={trans.__('GPU check')}
      header={
        isRunning ? (
          <Button onClick={() => actions.cancelCheck(check)}>{trans.__('Cancel')}</Button>
        ) : (
          <Button
            disabled={checks.starting || gpu.simulated === true}
            onClick={() => actions.runCheck(gpu.uuid)}
          >
            {trans.__('Run a check')}
          </Button>
        )
      }
    >
      {healthy.length > 1 && (
        <label className="jp-GPUDock-value">
          <span className="jp-GPUDock-label">{trans.__('GPU')}</span>
          <select
            className="jp-GPUDock-select"
            value={gpu.uuid}
            onChange={event => setSelected(event.target.value)}
          >
            {healthy.map(one => (
              <option key={one.uuid} value={one.uuid}>
                {trans.__('%1: %2', gpuLabel(one, gpus, lease, trans), formatName(one, trans))}
              </option>
            ))}
          </select>
        </label>
      )}
      <div role="status">
        {error && <Message className="jp-GPUDock-hint" {...startErrorMessage(error, trans)} />}
        {!check && !error && (
          <p className="jp-GPUDock-hint">
            {trans.__(
              'Measures in a few seconds how much faster cuDNN, mixed precision and TF32 are on this GPU, and how fast data is copied to the GPU and back.'
            )}
          </p>
        )}
        {check && (isRunning || !error) && (
          <Message
            className="jp-GPUDock-hint"
            {...checkMessage(check, kernelName(check.kernel, environments), trans)}
          />
        )}
      </div>
      {isRunning && <Progress check={check} />}
      {check && (isRunning || !error) && check.state !== 'refused' && <Steps check={check} />}
    </Card>
  );
}

function kernelName(kernel: string, environments: IEnvironments | null): string {
  const found = environments?.environments.find(environment => environment.kernel === kernel);
  return found?.display_name ?? kernel;
}

function Progress({ check }: { check: ICheck }): ReactElement {
  const { trans } = useDisplay();
  const percent = Math.round(100 * check.progress);
  return (
    <div
      className="jp-GPUDock-bar"
      role="progressbar"
      aria-label={trans.__('Progress of the check')}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <div className="jp-GPUDock-bar-fill" style={{ width: `${percent}%` }} />
    </div>
  );
}

function Steps({ check }: { check: ICheck }): ReactNode {
  const { trans } = useDisplay();
  const steps = check.steps.filter(({ state }) => check.state === 'running' || state !== 'waiting');
  return (
    steps.length > 0 && (
      <dl className="jp-GPUDock-steps">
        {steps.map(step => (
          <div key={step.name} data-state={step.state}>
            <dt className="jp-GPUDock-label">{stepName(step, trans)}</dt>
            <dd className="jp-GPUDock-finding">
              <Message {...stepResult(step, trans)} />
            </dd>
            {step.state === 'done' && (
              <dd className="jp-GPUDock-hint">{stepFigures(step, trans)}</dd>
            )}
          </div>
        ))}
      </dl>
    )
  );
}
