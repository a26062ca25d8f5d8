import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { API } from './api';
import { gpuIcon } from './icon';
import { followKernel } from './kernel';
import { GPUModel } from './model';
import { IGPUModel } from './tokens';
import { GPUPanel } from './widget';

export { IGPUModel } from './tokens';

const SHOW_PANEL = 'gpudock:show-panel';

const model: JupyterFrontEndPlugin<IGPUModel> = {
  id: 'jupyterlab-gpudock:model',
  description: 'Follows the GPUs of the server for all parts of the page that show them.',
  autoStart: true,
  provides: IGPUModel,
  activate: (app: JupyterFrontEnd) => new GPUModel(new API(app.serviceManager.serverSettings))
};

const sidebar: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-gpudock:sidebar',
  description: 'Shows the GPUs and the software stack in the left sidebar.',
  autoStart: true,
  requires: [IGPUModel],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    gpus: IGPUModel,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyterlab_gpudock');
    const panel = new GPUPanel(gpus, trans);
    app.shell.add(panel, 'left', { rank: 550, type: 'GPU' });
    restorer?.add(panel, panel.id);
    app.commands.addCommand(SHOW_PANEL, {
      label: trans.__('Show GPU Panel'),
      caption: trans.__('Show the GPUs of this server in the left sidebar'),
      icon: gpuIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => app.shell.activateById(panel.id)
    });
    palette?.addItem({ command: SHOW_PANEL, category: trans.__('GPU') });
  }
};

const kernel: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-gpudock:kernel',
  description: 'Lets the software stack follow the kernel of the notebook that is worked in.',
  autoStart: true,
  requires: [IGPUModel],
  optional: [ILabShell],
  activate: (_app: JupyterFrontEnd, gpus: IGPUModel, shell: ILabShell | null) => {
    if (shell) {
      followKernel(shell, gpus);
    }
  }
};

export default [model, sidebar, kernel];
