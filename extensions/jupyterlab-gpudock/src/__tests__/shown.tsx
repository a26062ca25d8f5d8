import { render } from '@testing-library/react';

import type { IActions } from '../actions';
import { type IPanelView, Panel } from '../components/panel';
import { type IVoice, VoiceContext } from '../voice';
import { actions, snapshot, stack, unmanaged } from './pretend';

/** How the panel's view differs from that of one healthy GPU of a server without a hub. */
export interface IChanges {
  gpus?: Partial<IPanelView['gpus']>;
  kernel?: Partial<IPanelView['kernel']>;
  checks?: Partial<IPanelView['checks']>;
  lease?: Partial<IPanelView['lease']>;
  actions?: Partial<IActions>;
  now?: number;
}

/** What the panel is given to show, with changes. */
export function panelView(changes: IChanges): IPanelView {
  return {
    gpus: {
      snapshot: snapshot(),
      takenAt: 0,
      stale: false,
      trouble: null,
      history: new Map(),
      environments: null,
      stack: stack(),
      stackStatus: 'ready',
      ...changes.gpus
    },
    kernel: {
      status: 'none',
      name: '',
      title: '',
      state: null,
      releasing: false,
      released: null,
      ...changes.kernel
    },
    checks: { byGPU: new Map(), refusal: null, starting: false, ...changes.checks },
    lease: { lease: unmanaged(), clockAheadMs: 0, doing: null, refusal: null, ...changes.lease }
  };
}

/** The panel as a page shows it. */
export function shown(changes: IChanges, voice: IVoice): HTMLElement {
  const { container } = render(
    <VoiceContext.Provider value={voice}>
      <Panel
        view={panelView(changes)}
        now={changes.now ?? 12000}
        actions={actions(changes.actions)}
      />
    </VoiceContext.Provider>
  );
  return container;
}
