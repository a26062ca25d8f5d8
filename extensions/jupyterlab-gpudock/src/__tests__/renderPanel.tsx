import { render } from '@testing-library/react';

import type { IActions } from '../components/actions';
import { type IPanelView, Panel } from '../components/panel';
import type { IDisplay } from '../messages/format';
import { DisplayContext } from '../components/display';
import { actions } from './fakes';
import { snapshot, stack, unmanaged } from './samples';

/** Changes to the view of one healthy GPU on a server without a hub. */
export interface IChanges {
  gpus?: Partial<IPanelView['gpus']>;
  kernel?: Partial<IPanelView['kernel']>;
  checks?: Partial<IPanelView['checks']>;
  lease?: Partial<IPanelView['lease']>;
  limits?: Partial<IPanelView['limits']>;
  actions?: Partial<IActions>;
  now?: number;
}

/** Return the view of the panel, with changes. */
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
    checks: { byGPU: new Map(), error: null, starting: false, ...changes.checks },
    lease: { lease: unmanaged(), clockOffsetMs: 0, pending: null, error: null, ...changes.lease },
    limits: { limits: null, ...changes.limits }
  };
}

/** Render the panel. */
export function renderPanel(changes: IChanges, display: IDisplay): HTMLElement {
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
