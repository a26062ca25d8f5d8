import type { ReactElement } from 'react';

import type { Level } from '../messages/format';
import { stateMessage } from '../messages/state';
import type { GPUState, ILease } from '../model/contract';
import type { IActions } from './actions';
import { useDisplay } from './display';
import { Button } from './elements';
import { Notice } from './notice';

/** Why a GPU, or all of them, cannot be read, with a button to restart if that can help. */
export function StateNotice(props: {
  state: Exclude<GPUState, 'ok'>;
  detail: string;
  level: Level;
  lease: ILease | null;
  actions: IActions;
}): ReactElement {
  const { state, detail, level, lease, actions } = props;
  const { trans } = useDisplay();
  const message = stateMessage(state, detail, lease, trans);
  return (
    <Notice level={level} message={message}>
      {message.restart && (
        <Button onClick={actions.restartServer}>{trans.__('Restart server…')}</Button>
      )}
    </Notice>
  );
}
