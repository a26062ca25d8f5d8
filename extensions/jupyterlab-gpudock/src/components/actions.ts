import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import { formatSize, isNumber, missingReason } from '../messages/format';
import { processOwner } from '../messages/gpu';
import { leaseErrorMessage } from '../messages/lease';
import type { Checks } from '../model/checks';
import type { ICheck, IOwner, IProcess } from '../model/contract';
import type { Ending } from '../model/ending';
import type { ActiveKernel } from '../model/kernel';
import type { Lease } from '../model/lease';
import type { Limits } from '../model/limits';
import type { Settings } from '../model/settings';
import type { IGPUModel } from '../model/tokens';

/** The models behind the panel, and its texts. */
export interface IPanelModels {
  readonly gpus: IGPUModel;
  readonly kernel: ActiveKernel;
  readonly checks: Checks;
  readonly lease: Lease;
  readonly ending: Ending;
  readonly limits: Limits;
  readonly settings: Settings;
  readonly trans: TranslationBundle;
}

/** What users can do in the panel. Destructive actions ask for confirmation. */
export interface IActions {
  /** Whether the owner of a process is a notebook, console or terminal that can be opened. */
  readonly canOpen: (owner: IOwner) => boolean;
  readonly open: (owner: IOwner) => void;
  /** Shut down the kernel that a process belongs to. */
  readonly shutDown: (process: IProcess) => void;
  /** Ask which of the kernels that use GPU memory to shut down. */
  readonly selectAndShutDown: () => Promise<void>;
  readonly refreshKernel: () => void;
  readonly releaseMemory: () => void;
  readonly selectKernel: (name: string) => void;
  readonly refreshStack: () => void;
  readonly reconnect: () => void;
  readonly runCheck: (gpu: string) => void;
  readonly cancelCheck: (check: ICheck) => void;
  readonly extendLease: () => void;
  readonly releaseLease: () => void;
  readonly restartServer: () => void;
}

const SAVE_ALL = 'docmanager:save-all';

/** Return the actions on these models. */
export function createActions(app: JupyterFrontEnd, models: IPanelModels): IActions {
  const { gpus, kernel, checks, lease, trans } = models;
  return {
    canOpen: owner => openCommand(owner, app) !== null,
    open: owner => {
      const [command, args] = openCommand(owner, app) ?? [];
      if (command) {
        void app.commands.execute(command, args);
      }
    },
    shutDown: process => void shutDown(process, app, trans),
    selectAndShutDown: () => selectAndShutDown(app, models),
    refreshKernel: () => kernel.refresh(),
    releaseMemory: () => void kernel.release(),
    selectKernel: name => gpus.setKernel(name),
    refreshStack: () => void gpus.refreshStack(),
    reconnect: () => gpus.reconnect(),
    runCheck: gpu => void checks.run(gpu, gpus.view.stack?.kernel ?? ''),
    cancelCheck: check => void checks.cancel(check),
    extendLease: () => void lease.extend(),
    releaseLease: () =>
      void confirm(
        trans.__('Stop server?'),
        trans.__(
          'The session ends, and the GPU is free for others. All kernels and terminals are stopped. Open files are saved and all files are kept; what is only in memory is lost.'
        ),
        trans.__('Stop server'),
        trans,
        () => releaseLease(app, models)
      ),
    restartServer: () =>
      void confirm(
        trans.__('Restart server?'),
        trans.__(
          'Open files are saved. All kernels and terminals are stopped, and what is only in memory is lost. The server then starts again with the same options, and this page comes back.'
        ),
        trans.__('Restart'),
        trans,
        () => restartServer(app, models)
      )
  };
}

/** Return the command that opens a process's owner, with its arguments; null if there is none. */
function openCommand(
  { kind, terminal, session_type: type, path }: IOwner,
  { commands }: JupyterFrontEnd
): [string, { path: string } | { name: string }] | null {
  const found: [string, { path: string } | { name: string }] | null =
    kind === 'terminal' && terminal
      ? ['terminal:open', { name: terminal }]
      : type && path
        ? [type === 'console' ? 'console:open' : 'docmanager:open', { path }]
        : null;
  return found && commands.hasCommand(found[0]) ? found : null;
}

async function confirm(
  title: string,
  body: string,
  label: string,
  trans: TranslationBundle,
  action: () => Promise<void>
): Promise<void> {
  const { button } = await showDialog({
    title,
    body,
    buttons: [Dialog.cancelButton({ label: trans.__('Cancel') }), Dialog.warnButton({ label })],
    defaultButton: 0
  });
  if (button.accept) {
    await action();
  }
}

async function showMessage(title: string, body: string, trans: TranslationBundle): Promise<void> {
  await showDialog({ title, body, buttons: [Dialog.okButton({ label: trans.__('Close') })] });
}

async function shutDown(
  process: IProcess,
  app: JupyterFrontEnd,
  trans: TranslationBundle
): Promise<void> {
  const id = process.owner?.kernel_id;
  if (!id) {
    return;
  }
  const { title } = processOwner(process, trans);
  await confirm(
    trans.__('Shut down this kernel?'),
    process.certainty === 'certain'
      ? trans.__('The kernel of %1 stops, and its variables are lost. Its file is kept.', title)
      : trans.__(
          'The kernel of %1 stops, and its variables are lost. Its file is kept. It is probable, but not certain, that this kernel uses the GPU memory.',
          title
        ),
    trans.__('Shut down'),
    trans,
    async () => {
      try {
        await shutDownKernel(id, app);
      } catch (error) {
        await showMessage(trans.__('The kernel could not be shut down'), String(error), trans);
      }
    }
  );
}

/** Shut down a kernel through its session, if it has one, so that the notebook is informed. */
async function shutDownKernel(id: string, { serviceManager }: JupyterFrontEnd): Promise<void> {
  const { sessions, kernels } = serviceManager;
  const session = [...sessions.running()].find(({ kernel }) => kernel?.id === id);
  await (session ? sessions.shutdown(session.id) : kernels.shutdown(id));
}

async function selectAndShutDown(
  app: JupyterFrontEnd,
  { gpus, settings, trans }: IPanelModels
): Promise<void> {
  await gpus.readOnce();
  const display = { trans, preferences: settings.view };
  const processes = (gpus.view.snapshot?.gpus ?? [])
    .flatMap(gpu => (typeof gpu.processes === 'string' ? [] : gpu.processes))
    .filter(({ owner }) => owner?.kernel_id);
  if (processes.length === 0) {
    await showMessage(
      trans.__('No kernel to shut down'),
      trans.__('No kernel of this server is known to use GPU memory.'),
      trans
    );
    return;
  }
  const labels = processes.map((process, place) => {
    const { memory_mib: memory } = process;
    const size = isNumber(memory) ? formatSize(memory, display) : missingReason(memory, trans);
    return `${place + 1}. ${processOwner(process, trans).title}: ${size}`;
  });
  const { value, button } = await InputDialog.getItem({
    title: trans.__('Select a kernel'),
    items: labels,
    okLabel: trans.__('Shut down…'),
    cancelLabel: trans.__('Cancel')
  });
  const process = value === null ? undefined : processes[labels.indexOf(value)];
  if (button.accept && process) {
    await shutDown(process, app, trans);
  }
}

/** Stop this server and go to the desk's page that shows that its session has ended. */
async function releaseLease(app: JupyterFrontEnd, models: IPanelModels): Promise<void> {
  const { lease, ending } = models;
  const { desk, lease: id } = lease.view.lease ?? {};
  await saveAll(app);
  ending.expect();
  if (!(await lease.release())) {
    ending.cancel();
  } else if (desk && id) {
    window.location.assign(`${desk}?ended=${encodeURIComponent(id)}`);
  }
}

async function saveAll({ commands }: JupyterFrontEnd): Promise<void> {
  if (commands.hasCommand(SAVE_ALL)) {
    await commands.execute(SAVE_ALL);
  }
}

/**
 * Stop this server and go to the Hub's page that starts it again with the same options. From there
 * the Hub redirects to this page.
 */
async function restartServer(
  app: JupyterFrontEnd,
  { lease, ending, trans }: IPanelModels
): Promise<void> {
  await saveAll(app);
  const page = lease.view.lease?.restart_page;
  ending.expect();
  if ((await lease.restart()) && page) {
    const here = encodeURIComponent(window.location.pathname);
    window.location.assign(`${page}${page.includes('?') ? '&' : '?'}next=${here}`);
    return;
  }
  ending.cancel();
  const { error } = lease.view;
  const title = trans.__('The server could not be restarted from here');
  const reason = error ? leaseErrorMessage(error, trans) : '';
  const home = lease.view.lease?.hub_home;
  if (!home) {
    await showMessage(title, reason, trans);
    return;
  }
  const { button } = await showDialog({
    title,
    body: reason,
    buttons: [
      Dialog.cancelButton({ label: trans.__('Stay here') }),
      Dialog.okButton({ label: trans.__('Go to My GPUs') })
    ]
  });
  if (button.accept) {
    window.location.assign(home);
  }
}
