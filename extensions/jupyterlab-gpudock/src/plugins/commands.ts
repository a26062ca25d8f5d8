import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';

import { gpuIcon } from '../components/icon';
import { IGPUPanel } from './panel';

type CommandOptions = Parameters<JupyterFrontEnd['commands']['addCommand']>[1];

export const commands: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-gpudock:commands',
  description: 'Adds commands for everything that the panel can do.',
  autoStart: true,
  requires: [IGPUPanel],
  optional: [ICommandPalette],
  activate: (app: JupyterFrontEnd, panel: IGPUPanel, palette: ICommandPalette | null) => {
    const { lease, trans } = panel.models;
    for (const [id, options] of Object.entries(commandsOf(panel))) {
      app.commands.addCommand(id, {
        describedBy: { args: { type: 'object', properties: {} } },
        ...(options.isVisible && { isEnabled: options.isVisible }),
        ...options
      });
      palette?.addItem({ command: id, category: trans.__('GPU') });
    }
    lease.changed.connect(() => app.commands.notifyCommandChanged());
  }
};

function commandsOf(panel: IGPUPanel): Record<string, CommandOptions> {
  const { actions, models } = panel;
  const { gpus, kernel, checks, lease, trans } = models;
  const hasLease = (): boolean => typeof lease.view.lease?.lease === 'string';
  return {
    'gpudock:show-panel': {
      label: trans.__('Show GPU Panel'),
      caption: trans.__('Show the GPUs of this server in the sidebar'),
      icon: gpuIcon,
      execute: () => panel.show()
    },
    'gpudock:run-check': {
      label: trans.__('Run a GPU Check'),
      caption: trans.__('Measure how much faster cuDNN, mixed precision and TF32 are on this GPU'),
      execute: async () => {
        panel.show();
        await gpus.readOnce();
        const gpu = gpus.view.snapshot?.gpus.find(({ state }) => state === 'ok');
        if (gpu && checks.view.byGPU.get(gpu.uuid)?.state !== 'running') {
          actions.runCheck(gpu.uuid);
        }
      }
    },
    'gpudock:release-memory': {
      label: trans.__('Release Cached GPU Memory of the Active Kernel'),
      caption: trans.__('Release GPU memory that torch has cached, but does not use'),
      execute: async () => {
        panel.show();
        await kernel.release();
      }
    },
    'gpudock:shut-down-kernel': {
      label: trans.__('Shut Down a Kernel That Uses GPU Memory…'),
      caption: trans.__('Select one of the kernels that use GPU memory, and shut it down'),
      execute: () => actions.selectAndShutDown()
    },
    'gpudock:refresh-stack': {
      label: trans.__('Check the GPU Software Stack Again'),
      caption: trans.__("Read the versions in the kernel's environment again"),
      execute: async () => {
        panel.show();
        await gpus.refreshStack();
      }
    },
    'gpudock:extend-session': {
      label: trans.__('Extend the GPU Session'),
      caption: trans.__('Keep the GPU for longer, as far as the quota allows'),
      execute: () => lease.extend(),
      isVisible: () => hasLease() && lease.view.lease?.can_extend === true
    },
    'gpudock:release-gpu': {
      label: trans.__('Stop Server…'),
      caption: trans.__('End the session, so that others can use its GPU'),
      execute: () => actions.releaseLease(),
      isVisible: hasLease
    }
  };
}
