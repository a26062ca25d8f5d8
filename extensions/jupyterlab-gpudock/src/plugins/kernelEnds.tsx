import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';

import type { IDisplay } from '../messages/format';
import { incidentAdvice, incidentMessage } from '../messages/limits';
import { API } from '../model/api';
import { type IIncident, KernelWatch } from '../model/kernelWatch';
import { IGPUPanel } from './panel';

export const kernelEnds: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-gpudock:kernel-ends',
  description: 'Explains why a kernel ended, and which limit code has reached.',
  autoStart: true,
  requires: [IGPUPanel],
  activate: (app: JupyterFrontEnd, panel: IGPUPanel) => {
    const { settings, trans } = panel.models;
    const watch = new KernelWatch(app.shell, new API(app.serviceManager.serverSettings));
    watch.happened.connect((_sender, incident) =>
      notify(incident, { trans, preferences: settings.view })
    );
    // Documents of the last visit are opened again while the application starts.
    void app.restored.then(() => watch.followAll());
  }
};

function notify(incident: IIncident, display: IDisplay): void {
  const { trans } = display;
  const message = incidentMessage(incident, display);
  Notification.error(message, {
    autoClose: false,
    actions: [
      { label: trans.__('What to do…'), callback: () => void explain(message, incident, display) }
    ]
  });
}

/** Show what a notification has no room for. */
async function explain(message: string, incident: IIncident, display: IDisplay): Promise<void> {
  const { trans } = display;
  await showDialog({
    title: incident.ended ? trans.__('The kernel ended') : trans.__('A limit was reached'),
    body: (
      <div>
        {[message, ...incidentAdvice(incident, display)].map(text => (
          <p key={text}>{text}</p>
        ))}
      </div>
    ),
    buttons: [Dialog.okButton({ label: trans.__('Close') })]
  });
}
