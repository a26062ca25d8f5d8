import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ITranslator } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';

import { createActions, type IActions, type IPanelModels } from '../components/actions';
import { GPUPanel } from '../components/panelWidget';
import { loadTexts } from '../messages/translation';
import { API } from '../model/api';
import { Checks } from '../model/checks';
import type { Ending } from '../model/ending';
import { ActiveKernel } from '../model/kernel';
import { Lease } from '../model/lease';
import { Limits } from '../model/limits';
import type { Settings } from '../model/settings';
import { IGPUModel, IGPUSettings, IServerEnding } from '../model/tokens';

/** The panel, for the plugins that add to it. */
export interface IGPUPanel {
  readonly models: IPanelModels;
  readonly actions: IActions;
  readonly isVisible: boolean;
  /** Open the sidebar with the panel. */
  show(): void;
}

export const IGPUPanel = new Token<IGPUPanel>(
  'jupyterlab-gpudock:IGPUPanel',
  'The GPU panel in the sidebar.'
);

export const panel: JupyterFrontEndPlugin<IGPUPanel> = {
  id: 'jupyterlab-gpudock:panel',
  description: 'Shows GPUs, active kernel, software stack and session in a sidebar.',
  autoStart: true,
  provides: IGPUPanel,
  requires: [IGPUModel, IGPUSettings, IServerEnding],
  optional: [ITranslator, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    gpus: IGPUModel,
    settings: Settings,
    ending: Ending,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null
  ) => {
    const api = new API(app.serviceManager.serverSettings);
    const models: IPanelModels = {
      gpus,
      kernel: new ActiveKernel(app.shell, api),
      checks: new Checks(api, gpus),
      lease: new Lease(api),
      ending,
      limits: new Limits(api),
      settings,
      trans: loadTexts(translator)
    };
    const actions = createActions(app, models);
    const widget = new GPUPanel(models, actions);
    // In Notebook 7 the left sidebar has the table of contents.
    const area = app.name === 'Jupyter Notebook' ? 'right' : 'left';
    app.shell.add(widget, area, { rank: 550, type: 'GPU' });
    restorer?.add(widget, widget.id);
    followKernel(models);
    return {
      models,
      actions,
      get isVisible() {
        return widget.isVisible;
      },
      show: () => app.shell.activateById(widget.id)
    };
  }
};

/** Let the stack card show the environment of the active kernel. */
function followKernel({ gpus, kernel }: IPanelModels): void {
  let followed = '';
  const follow = (): void => {
    const { name } = kernel.view;
    if (name && name !== followed) {
      followed = name;
      gpus.setKernel(name);
    }
  };
  kernel.changed.connect(follow);
  follow();
}
