import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';

import { GPUStatus } from '../components/statusBar';
import { IGPUPanel } from './panel';

export const statusBar: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-gpudock:status-bar',
  description: 'Shows the GPU in the status bar.',
  autoStart: true,
  requires: [IGPUPanel],
  // Notebook 7 has no status bar.
  optional: [IStatusBar],
  activate: (app: JupyterFrontEnd, panel: IGPUPanel, bar: IStatusBar | null) => {
    if (!bar) {
      return;
    }
    const { gpus, kernel, settings, trans } = panel.models;
    const isActive = (): boolean => settings.view.statusBar;
    bar.registerStatusItem('jupyterlab-gpudock:status', {
      item: new GPUStatus(gpus, settings, trans, () => panel.show()),
      align: 'left',
      rank: 50,
      isActive,
      activeStateChanged: settings.changed
    });
    const read = (): void => {
      if (isActive()) {
        void gpus.readOnce();
      }
    };
    document.addEventListener('visibilitychange', read);
    kernel.becameIdle.connect(read);
    void app.restored.then(read);
  }
};
