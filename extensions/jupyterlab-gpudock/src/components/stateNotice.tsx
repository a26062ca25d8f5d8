import type { ReactElement } from 'react';

import type { IActions } from '../actions';
import type { GPUState, ILease } from '../contract';
import type { Level } from '../format';
import { useVoice } from '../voice';
import { wordsForState } from '../words';
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
  const { trans } = useVoice();
  const words = wordsForState(state, detail, lease, trans);
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
