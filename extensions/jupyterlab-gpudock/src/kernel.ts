import type { ILabShell } from '@jupyterlab/application';
import type { ISessionContext } from '@jupyterlab/apputils';
import type { Widget } from '@lumino/widgets';

import type { IGPUModel } from './tokens';

/** Lets the stack card follow the kernel of the notebook or console that is worked in. */
export function followKernel(shell: ILabShell, model: IGPUModel): void {
  let followed: ISessionContext | null = null;
  const tell = (): void => {
    const name = followed?.session?.kernel?.name;
    if (name) {
      model.setKernel(name);
    }
  };
  const turnTo = (): void => {
    const context = sessionOf(shell.currentWidget);
    // Text files and terminals have no kernel: the last one that was worked in stays.
    if (!context || context === followed) {
      return;
    }
    followed?.kernelChanged.disconnect(tell);
    followed = context;
    followed.kernelChanged.connect(tell);
    tell();
  };
  shell.currentChanged.connect(turnTo);
  turnTo();
}

/** The session of a notebook, a console, or whatever else runs a kernel. */
function sessionOf(widget: Widget | null): ISessionContext | null {
  if (!widget || widget.isDisposed || !('sessionContext' in widget)) {
    return null;
  }
  return widget.sessionContext as ISessionContext;
}
