import { render } from '@testing-library/react';

import type { IActions } from '../components/actions';
import { type IPanelView, Panel } from '../components/panel';
import { type IDisplay, DisplayContext } from '../components/display';
import { actions, snapshot, stack, unmanaged } from './fakes';

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
      problem: null,
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
    lease: { lease: unmanaged(), clockOffsetMs: 0, pending: null, refusal: null, ...changes.lease }
  };
}

/** The panel as a page shows it. */
export function shown(changes: IChanges, display: IDisplay): HTMLElement {
  const { container } = render(
    <DisplayContext.Provider value={display}>
      <Panel
        view={panelView(changes)}
        now={changes.now ?? 12000}
        actions={actions(changes.actions)}
      />
    </DisplayContext.Provider>
  );
  return container;
}
