import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Checks } from '../model/checks';
import type { ICheck, IOwner, IProcess } from '../model/contract';
import { isNumber, formatSize } from '../messages/format';
import { processOwner } from '../messages/gpu';
import type { ActiveKernel } from '../model/kernel';
import type { Lease } from '../model/lease';
import { leaseErrorMessage } from '../messages/lease';
import type { Settings } from '../model/settings';
import type { IGPUModel } from '../model/tokens';

/** What a person can do from the panel. */
export interface IActions {
  /** Whether there is something to open: a notebook, a console or a terminal. */
  readonly canOpen: (owner: IOwner) => boolean;
  readonly open: (owner: IOwner) => void;
  /** Shut down the kernel of a process, after a question. */
  readonly shutDown: (process: IProcess) => void;
  readonly askKernel: () => void;
  readonly releaseMemory: () => void;
  readonly chooseKernel: (name: string) => void;
  readonly refreshStack: () => void;
  readonly reconnect: () => void;
  readonly runCheck: (gpu: string) => void;
  readonly cancelCheck: (check: ICheck) => void;
  readonly extendLease: () => void;
  /** Give the GPU back, after a question. */
  readonly releaseLease: () => void;
  /** Restart the server, after a question. */
  readonly restartServer: () => void;
}

/** What the actions act on. */
export interface IPanelContext {
  readonly app: JupyterFrontEnd;
  readonly gpus: IGPUModel;
  readonly kernel: ActiveKernel;
  readonly checks: Checks;
  readonly lease: Lease;
  readonly settings: Settings;
  readonly trans: TranslationBundle;
  /** Leave this page for another one. */
  readonly navigate: (address: string) => void;
}

const SAVE_ALL = 'docmanager:save-all';

/** The actions of the panel and of the commands. What cannot be taken back is asked about first. */
export function makeActions(parts: IPanelContext): IActions {
  const { app, gpus, kernel, checks, lease, trans } = parts;
  return {
    canOpen: owner => opening(owner, app) !== null,
    open: owner => {
      const [command, args] = opening(owner, app) ?? [];
      if (command) {
        void app.commands.execute(command, args);
      }
    },
    shutDown: process => void shutDown(process, parts),
    askKernel: () => kernel.refresh(),
    releaseMemory: () => void kernel.release(),
    chooseKernel: name => gpus.setKernel(name),
    refreshStack: () => void gpus.refreshStack(),
    reconnect: () => gpus.reconnect(),
    runCheck: gpu => void checks.run(gpu, gpus.view.stack?.kernel ?? ''),
    cancelCheck: check => void checks.cancel(check),
    extendLease: () => void lease.extend(),
    releaseLease: () =>
      void confirmed(
        trans.__('Give the GPU back?'),
        trans.__(
          'This server ends, with all its kernels and terminals. Files that are saved stay; what is only in memory is lost.'
        ),
        trans.__('Give back'),
        trans,
        () => lease.release()
      ),
    restartServer: () =>
      void confirmed(
        trans.__('Restart the server?'),
        trans.__(
          'Open files are saved. All kernels and terminals end, and what is only in memory is lost. Then the server starts again as it was started last time, and this page comes back.'
        ),
        trans.__('Restart'),
        trans,
        () => restart(parts)
      )
  };
}

/** The command that opens what a process belongs to, with its arguments; null if there is none. */
function opening(
  owner: IOwner,
  app: JupyterFrontEnd
): [string, { path: string } | { name: string }] | null {
  const found: [string, { path: string } | { name: string }] | null =
    owner.kind === 'terminal' && owner.terminal
      ? ['terminal:open', { name: owner.terminal }]
      : owner.session_type === 'console' && owner.path
        ? ['console:open', { path: owner.path }]
        : owner.session_type && owner.path
          ? ['docmanager:open', { path: owner.path }]
          : null;
  return found && app.commands.hasCommand(found[0]) ? found : null;
}

async function confirmed(
  title: string,
  body: string,
  label: string,
  trans: TranslationBundle,
  action: () => Promise<void>
): Promise<void> {
  const answer = await showDialog({
    title,
    body,
    buttons: [Dialog.cancelButton({ label: trans.__('Cancel') }), Dialog.warnButton({ label })],
    defaultButton: 0
  });
  if (answer.button.accept) {
    await action();
  }
}

async function shutDown(process: IProcess, { app, trans }: IPanelContext): Promise<void> {
  const id = process.owner?.kernel_id;
  if (!id) {
    return;
  }
  const { title } = processOwner(process, trans);
  const sure = process.certainty === 'certain';
  await confirmed(
    trans.__('Shut down this kernel?'),
    sure
      ? trans.__('The kernel of %1 ends, and its variables are lost. Its file stays.', title)
      : trans.__(
          'The kernel of %1 ends, and its variables are lost. Its file stays. That this kernel holds the memory is probable, not sure.',
          title
        ),
    trans.__('Shut down'),
    trans,
    async () => {
      try {
        await endKernel(id, app);
      } catch (error) {
        await tell(trans.__('The kernel could not be shut down'), String(error), trans);
      }
    }
  );
}

/** End a kernel together with the session that it is of, so that its notebook knows. */
async function endKernel(id: string, { serviceManager }: JupyterFrontEnd): Promise<void> {
  const { sessions, kernels } = serviceManager;
  const session = [...sessions.running()].find(({ kernel }) => kernel?.id === id);
  await (session ? sessions.shutdown(session.id) : kernels.shutdown(id));
}

/**
 * End this server and go to the Hub's page that starts it again, as it was started last time. From
 * there the Hub leads back to where the person is now.
 */
async function restart({ app, lease, trans, navigate }: IPanelContext): Promise<void> {
  if (app.commands.hasCommand(SAVE_ALL)) {
    await app.commands.execute(SAVE_ALL);
  }
  const page = lease.view.lease?.restart_page ?? null;
  if ((await lease.restart()) && page) {
    const here = encodeURIComponent(window.location.pathname);
    navigate(`${page}${page.includes('?') ? '&' : '?'}next=${here}`);
    return;
  }
  const { refusal } = lease.view;
  const title = trans.__('The server could not be restarted from here');
  const why = refusal ? leaseErrorMessage(refusal, trans) : '';
  const home = lease.view.lease?.hub_home;
  if (!home) {
    await tell(title, why, trans);
    return;
  }
  const choice = await showDialog({
    title,
    body: why,
    buttons: [
      Dialog.cancelButton({ label: trans.__('Stay here') }),
      Dialog.okButton({ label: trans.__('Go to the Hub') })
    ]
  });
  if (choice.button.accept) {
    navigate(home);
  }
}

async function tell(title: string, body: string, trans: TranslationBundle): Promise<void> {
  await showDialog({ title, body, buttons: [Dialog.okButton({ label: trans.__('Close') })] });
}

/** Have the person choose among the kernels that hold GPU memory, and shut that one down. */
export async function chooseAndShutDown(parts: IPanelContext): Promise<void> {
  const { gpus, settings, trans } = parts;
  await gpus.readOnce();
  const display = { trans, preferences: settings.view };
  const holders = (gpus.view.snapshot?.gpus ?? [])
    .flatMap(({ processes }) => (typeof processes === 'string' ? [] : processes))
    .filter(process => process.owner?.kernel_id);
  if (holders.length === 0) {
    await tell(
      trans.__('No kernel to shut down'),
      trans.__('No kernel of this server is known to hold GPU memory.'),
      trans
    );
    return;
  }
  const labels = holders.map((process, place) => {
    const { memory_mib: memory } = process;
    const size = isNumber(memory) ? formatSize(memory, display) : trans.__('unknown');
    return `${place + 1}. ${processOwner(process, trans).title}: ${size}`;
  });
  const choice = await InputDialog.getItem({
    title: trans.__('Which kernel?'),
    items: labels,
    okLabel: trans.__('Shut down…'),
    cancelLabel: trans.__('Cancel')
  });
  const process = choice.value === null ? undefined : holders[labels.indexOf(choice.value)];
  if (choice.button.accept && process) {
    await shutDown(process, parts);
  }
}
