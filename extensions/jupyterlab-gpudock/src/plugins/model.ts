import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { API } from '../model/api';
import { GPUModel } from '../model/gpus';
import { IGPUModel } from '../model/tokens';

export const model: JupyterFrontEndPlugin<IGPUModel> = {
  id: 'jupyterlab-gpudock:model',
  description: 'Provides live readings of the GPUs of this server.',
  autoStart: true,
  provides: IGPUModel,
  activate: (app: JupyterFrontEnd) => new GPUModel(new API(app.serviceManager.serverSettings))
};
