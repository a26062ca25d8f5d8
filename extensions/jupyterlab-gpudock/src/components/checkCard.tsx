import { type ReactElement, type ReactNode, useState } from 'react';

import type { IActions } from './actions';
import type { IChecksView } from '../model/checks';
import {
  stepFigures,
  stepName,
  checkMessage,
  startErrorMessage,
  stepResult
} from '../messages/check';
import type { ICheck, IEnvironments, IGPU } from '../model/contract';
import { formatName } from '../messages/format';
import { useDisplay } from './display';
import { Message } from './message';

/** A short test of a GPU on demand, and what it found. */
export function CheckCard(props: {
  gpus: readonly IGPU[];
  checks: IChecksView;
  environments: IEnvironments | null;
  actions: IActions;
}): ReactNode {
  const { gpus, checks, environments, actions } = props;
  const { trans } = useDisplay();
  const [chosen, setChosen] = useState('');
  const healthy = gpus.filter(gpu => gpu.state === 'ok');
  const gpu = healthy.find(({ uuid }) => uuid === chosen) ?? healthy[0];
  if (!gpu) {
    return null;
  }
  const check = checks.byGPU.get(gpu.uuid);
  return (
    <section className="jp-GPUDock-card" aria-label={trans.__('GPU check')}>
      <header className="jp-GPUDock-card-header">
        <h3>{trans.__('GPU check')}</h3>
        {check?.state === 'running' ? (
          <button
            type="button"
            className="jp-GPUDock-button"
            onClick={() => actions.cancelCheck(check)}
          >
            {trans.__('Cancel')}
          </button>
        ) : (
          <button
            type="button"
            className="jp-GPUDock-button"
            disabled={checks.starting}
            onClick={() => actions.runCheck(gpu.uuid)}
          >
            {trans.__('Run a check')}
          </button>
        )}
      </header>
      {healthy.length > 1 && (
        <label className="jp-GPUDock-value">
          <span className="jp-GPUDock-label">{trans.__('Which GPU')}</span>
          <select
            className="jp-GPUDock-select"
            value={gpu.uuid}
            onChange={event => setChosen(event.target.value)}
          >
            {healthy.map(one => (
              <option key={one.uuid} value={one.uuid}>
                {trans.__('GPU %1: %2', one.index, formatName(one, trans))}
              </option>
            ))}
          </select>
        </label>
      )}
      <div role="status">
        {checks.refusal && (
          <Message className="jp-GPUDock-hint" {...startErrorMessage(checks.refusal, trans)} />
        )}
        {!check && !checks.refusal && (
          <p className="jp-GPUDock-hint">
            {trans.__(
              'Measures for some seconds how much faster cuDNN, mixed precision and TF32 make this GPU, and how fast data gets to it and back.'
            )}
          </p>
        )}
        {check && !(checks.refusal && check.state !== 'running') && (
          <Message
            className="jp-GPUDock-hint"
            {...checkMessage(check, nameOfKernel(check.kernel, environments), trans)}
          />
        )}
      </div>
      {check?.state === 'running' && <Progress check={check} />}
      {check && check.state !== 'refused' && (!checks.refusal || check.state === 'running') && (
        <Steps check={check} />
      )}
    </section>
  );
}

/** What people call a kernel. */
function nameOfKernel(kernel: string, environments: IEnvironments | null): string {
  const found = environments?.environments.find(one => one.kernel === kernel);
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
  const shown = check.steps.filter(step => check.state === 'running' || step.state !== 'waiting');
  return (
    shown.length > 0 && (
      <dl className="jp-GPUDock-steps">
        {shown.map(step => (
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
