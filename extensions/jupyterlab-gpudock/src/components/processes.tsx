import type { ReactElement } from 'react';

import { formatSize, isNumber, missingReason } from '../messages/format';
import { processOwner } from '../messages/gpu';
import type { IProcess, Missing } from '../model/contract';
import type { IActions } from './actions';
import { useDisplay } from './display';
import { Button } from './elements';

/** The processes that use a GPU, those with the most memory first. */
export function Processes(props: {
  processes: readonly IProcess[] | Missing;
  actions: IActions;
}): ReactElement {
  const { processes, actions } = props;
  const { trans } = useDisplay();
  if (typeof processes === 'string') {
    return (
      <p className="jp-GPUDock-hint">
        {processes === 'not_supported'
          ? trans.__('This GPU does not report which processes use it.')
          : trans.__('The processes that use this GPU could not be read.')}
      </p>
    );
  }
  if (processes.length === 0) {
    return <p className="jp-GPUDock-hint">{trans.__('No process uses this GPU.')}</p>;
  }
  const size = ({ memory_mib: memory }: IProcess): number => (isNumber(memory) ? memory : 0);
  return (
    <div className="jp-GPUDock-processes">
      <h4>{trans.__('Processes')}</h4>
      <ul>
        {[...processes]
          .sort((one, other) => size(other) - size(one))
          .map(process => (
            <Process key={process.pid} process={process} actions={actions} />
          ))}
      </ul>
    </div>
  );
}

function Process(props: { process: IProcess; actions: IActions }): ReactElement {
  const { process, actions } = props;
  const display = useDisplay();
  const { trans } = display;
  const { memory_mib: memory, owner } = process;
  const { title, kind } = processOwner(process, trans);
  return (
    <li className="jp-GPUDock-process" data-certainty={process.certainty}>
      <div className="jp-GPUDock-value" title={trans.__('Process %1', process.pid)}>
        {owner && actions.canOpen(owner) ? (
          <button
            type="button"
            className="jp-GPUDock-link"
            title={owner.path ?? title}
            onClick={() => actions.open(owner)}
          >
            {title}
          </button>
        ) : (
          <span className="jp-GPUDock-process-name">{title}</span>
        )}
        <span className="jp-GPUDock-number">
          {isNumber(memory) ? formatSize(memory, display) : missingReason(memory, trans)}
        </span>
      </div>
      <div className="jp-GPUDock-value">
        <span className="jp-GPUDock-hint">{kind}</span>
        {owner?.kind === 'kernel' && owner.kernel_id && (
          <Button
            aria-label={trans.__('Shut down the kernel of %1', title)}
            onClick={() => actions.shutDown(process)}
          >
            {trans.__('Shut down…')}
          </Button>
        )}
      </div>
    </li>
  );
}
