import type { ReactElement } from 'react';

import type { IActions } from './actions';
import type { GPUState, ILease } from '../model/contract';
import type { Level } from '../messages/format';
import { useDisplay } from './display';
import { stateMessage } from '../messages/state';
import { Notice } from './notice';

/** Why GPUs, or a single one, cannot be read, and the way out where there is one. */
export function StateNotice(props: {
  state: Exclude<GPUState, 'ok'>;
  detail: string;
  level: Level;
  lease: ILease | null;
  actions: IActions;
}): ReactElement {
  const { state, detail, level, lease, actions } = props;
  const { trans } = useDisplay();
  const words = stateMessage(state, detail, lease, trans);
  return (
    <Notice level={level} words={words}>
      {words.restart && (
        <button type="button" className="jp-GPUDock-button" onClick={actions.restartServer}>
          {trans.__('Restart server…')}
        </button>
      )}
    </Notice>
  );
}
