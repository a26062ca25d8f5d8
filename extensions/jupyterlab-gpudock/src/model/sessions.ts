import type { ISessionContext } from '@jupyterlab/apputils';
import type { Widget } from '@lumino/widgets';

/** Return the session of a notebook, a console, or any other widget that has a kernel. */
export function sessionOf(widget: Widget | null): ISessionContext | null {
  if (!widget || widget.isDisposed || !('sessionContext' in widget)) {
    return null;
  }
  return widget.sessionContext as ISessionContext;
}
