import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';

import { warningMessage } from '../messages/lease';
import { IGPUPanel } from './panel';

export const notifications: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-gpudock:notifications',
  description: 'Notifies users before their session ends and when a GPU was lost.',
  autoStart: true,
  requires: [IGPUPanel],
  activate: (app: JupyterFrontEnd, panel: IGPUPanel) => {
    notifyOfEnds(panel);
    notifyOfLoss(panel);
    void app.restored.then(() => panel.models.lease.load());
  }
};

/** Notify the user before the session ends, even if the panel is closed. */
function notifyOfEnds(panel: IGPUPanel): void {
  const { lease, settings, trans } = panel.models;
  lease.warned.connect((_sender, warning) => {
    if (!settings.view.leaseWarnings) {
      return;
    }
    const actions = [showAction(panel)];
    if (warning.limit === 'time' && warning.lease.can_extend) {
      actions.unshift({ label: trans.__('Extend'), callback: () => void lease.extend() });
    }
    Notification.warning(warningMessage(warning, trans), { autoClose: false, actions });
  });
}

/** Notify the user once when a GPU was lost while the panel is closed. */
function notifyOfLoss(panel: IGPUPanel): void {
  const { gpus, trans } = panel.models;
  let wasLost = false;
  gpus.changed.connect(() => {
    const { snapshot } = gpus.view;
    const isLost = [snapshot, ...(snapshot?.gpus ?? [])].some(part => part?.state === 'lost');
    if (isLost && !wasLost && !panel.isVisible) {
      Notification.error(
        trans.__('This server has lost a GPU. Programs that used it have failed.'),
        { autoClose: false, actions: [showAction(panel)] }
      );
    }
    wasLost = isLost;
  });
}

function showAction(panel: IGPUPanel): { label: string; callback: () => void } {
  return { label: panel.models.trans.__('Show'), callback: () => panel.show() };
}
