import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { API } from '../model/api';
import { Checks } from '../model/checks';
import { chooseAndShutDown, type IPanelContext, makeActions } from '../components/actions';
import { gpuIcon } from '../components/icon';
import { ActiveKernel } from '../model/kernel';
import { Lease } from '../model/lease';
import { warningMessage } from '../messages/lease';
import { GPUModel } from '../model/gpus';
import { Settings, SETTINGS_PLUGIN } from '../model/settings';
import { GPUStatus } from '../components/statusBar';
import { IGPUModel, IGPUSettings } from '../model/tokens';
import { DOMAIN } from '../components/display';
import { GPUPanel } from '../components/panelWidget';

export { IGPUModel } from '../model/tokens';

const SHOW_PANEL = 'gpudock:show-panel';

const model: JupyterFrontEndPlugin<IGPUModel> = {
  id: 'jupyterlab-gpudock:model',
  description: 'Follows the GPUs of the server for all parts of the page that show them.',
  autoStart: true,
  provides: IGPUModel,
  activate: (app: JupyterFrontEnd) => new GPUModel(new API(app.serviceManager.serverSettings))
};

const settings: JupyterFrontEndPlugin<Settings> = {
  id: SETTINGS_PLUGIN,
  description: 'What a person prefers about the GPU panel.',
  autoStart: true,
  provides: IGPUSettings,
  optional: [ISettingRegistry, ITranslator],
  activate: (
    _app: JupyterFrontEnd,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const preferences = new Settings();
    if (registry) {
      void preferences.follow(registry, (translator ?? nullTranslator).load(DOMAIN));
    }
    return preferences;
  }
};

const sidebar: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-gpudock:sidebar',
  description: 'Shows GPUs, kernel, software stack and session in a sidebar and the status bar.',
  autoStart: true,
  requires: [IGPUModel, IGPUSettings],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette, IStatusBar],
  activate: (
    app: JupyterFrontEnd,
    gpus: IGPUModel,
    preferences: Settings,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    statusBar: IStatusBar | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const api = new API(app.serviceManager.serverSettings);
    const parts: IPanelContext = {
      app,
      gpus,
      kernel: new ActiveKernel(app.shell, api),
      checks: new Checks(api, gpus),
      lease: new Lease(api),
      settings: preferences,
      trans,
      navigate: address => window.location.assign(address)
    };
    const panel = new GPUPanel({ ...parts, actions: makeActions(parts) });
    // Notebook 7 has its file's outline on the left, and the right is free.
    const area = app.name === 'Jupyter Notebook' ? 'right' : 'left';
    app.shell.add(panel, area, { rank: 550, type: 'GPU' });
    restorer?.add(panel, panel.id);
    const showPanel = (): void => app.shell.activateById(panel.id);
    addCommands(parts, showPanel, palette);
    followKernel(parts);
    warnOfEnds(parts, showPanel);
    tellOfLoss(parts, panel, showPanel);
    if (statusBar) {
      addStatus(parts, showPanel, statusBar);
    }
  }
};

function addCommands(
  parts: IPanelContext,
  showPanel: () => void,
  palette: ICommandPalette | null
): void {
  const { app, gpus, kernel, checks, lease, trans } = parts;
  const actions = makeActions(parts);
  const add = (
    id: string,
    label: string,
    caption: string,
    execute: () => unknown,
    isVisible?: () => boolean
  ): void => {
    app.commands.addCommand(id, {
      label,
      caption,
      execute,
      describedBy: { args: { type: 'object', properties: {} } },
      ...(id === SHOW_PANEL && { icon: gpuIcon }),
      ...(isVisible && { isVisible, isEnabled: isVisible })
    });
    palette?.addItem({ command: id, category: trans.__('GPU') });
  };
  const isManaged = (): boolean => typeof lease.view.lease?.lease === 'string';
  add(
    SHOW_PANEL,
    trans.__('Show GPU Panel'),
    trans.__('Show the GPUs of this server in the sidebar'),
    showPanel
  );
  add(
    'gpudock:run-check',
    trans.__('Run a Check of the GPU'),
    trans.__('Measure how much faster cuDNN, mixed precision and TF32 are on this GPU'),
    async () => {
      showPanel();
      await gpus.readOnce();
      const gpu = gpus.view.snapshot?.gpus.find(({ state }) => state === 'ok');
      if (gpu && checks.view.byGPU.get(gpu.uuid)?.state !== 'running') {
        actions.runCheck(gpu.uuid);
      }
    }
  );
  add(
    'gpudock:release-memory',
    trans.__('Release Cached GPU Memory of the Active Kernel'),
    trans.__('Give memory that torch keeps for later, and does not use now, back to the GPU'),
    async () => {
      showPanel();
      await kernel.release();
    }
  );
  add(
    'gpudock:shut-down-kernel',
    trans.__('Shut Down a Kernel That Holds GPU Memory…'),
    trans.__('Choose among the kernels that hold GPU memory, and shut that one down'),
    () => chooseAndShutDown(parts)
  );
  add(
    'gpudock:refresh-stack',
    trans.__('Check the GPU Software Stack Again'),
    trans.__('Ask the kernel’s environment again for its versions'),
    async () => {
      showPanel();
      await gpus.refreshStack();
    }
  );
  add(
    'gpudock:extend-session',
    trans.__('Extend the GPU Session'),
    trans.__('Keep the GPU for longer, as far as the quota goes'),
    () => lease.extend(),
    () => isManaged() && lease.view.lease?.can_extend === true
  );
  add(
    'gpudock:release-gpu',
    trans.__('Give the GPU Back…'),
    trans.__('End this server, so that others can use its GPU'),
    () => actions.releaseLease(),
    isManaged
  );
  lease.changed.connect(() => app.commands.notifyCommandChanged());
}

/** The stack card shows the environment of the kernel that is worked in. */
function followKernel({ gpus, kernel }: IPanelContext): void {
  let followed = '';
  const follow = (): void => {
    const { name } = kernel.view;
    if (name && name !== followed) {
      gpus.setKernel(name);
    }
    followed = name || followed;
  };
  kernel.changed.connect(follow);
  follow();
}

/** Tell of the end of a session in time, also while the panel is closed. */
function warnOfEnds(
  { app, lease, settings: preferences, trans }: IPanelContext,
  showPanel: () => void
): void {
  lease.warned.connect((_sender, warning) => {
    if (!preferences.view.leaseWarnings) {
      return;
    }
    const actions = [{ label: trans.__('Show'), callback: showPanel }];
    if (warning.end === 'session' && warning.lease.can_extend) {
      actions.unshift({ label: trans.__('Extend'), callback: () => void lease.extend() });
    }
    Notification.warning(warningMessage(warning, trans), { autoClose: false, actions });
  });
  void app.restored.then(() => lease.load());
}

/** Tell that a GPU was lost, once, to a person who does not see it in the panel. */
function tellOfLoss({ gpus, trans }: IPanelContext, panel: GPUPanel, showPanel: () => void): void {
  let told = false;
  gpus.changed.connect(() => {
    const { snapshot } = gpus.view;
    const lost = [snapshot, ...(snapshot?.gpus ?? [])].some(part => part?.state === 'lost');
    if (lost && !told && !panel.isVisible) {
      Notification.error(
        trans.__('This server has lost a GPU. Programs that used it have failed.'),
        {
          autoClose: false,
          actions: [{ label: trans.__('Show'), callback: showPanel }]
        }
      );
    }
    told = lost;
  });
}

function addStatus(
  { app, gpus, kernel, settings: preferences, trans }: IPanelContext,
  showPanel: () => void,
  statusBar: IStatusBar
): void {
  const isActive = (): boolean => preferences.view.statusBar;
  statusBar.registerStatusItem('jupyterlab-gpudock:status', {
    item: new GPUStatus(gpus, preferences, trans, showPanel),
    align: 'left',
    rank: 50,
    isActive,
    activeStateChanged: preferences.changed
  });
  const readOnce = (): void => {
    if (isActive()) {
      void gpus.readOnce();
    }
  };
  document.addEventListener('visibilitychange', readOnce);
  kernel.becameIdle.connect(readOnce);
  void app.restored.then(readOnce);
}

export default [model, settings, sidebar];
