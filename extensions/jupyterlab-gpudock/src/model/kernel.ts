import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel } from '@jupyterlab/services';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';

import type { IAPI } from './api';
import type { IKernelState, IRelease, ISnippets } from './contract';
import type { Visibility } from './gpus';
import { ask, NoReply } from './evaluate';
import { Store } from './store';

/** How long a kernel stays idle before it is asked: cells that are run in a row do not wait. */
const IDLE_DELAY_MS = 500;

/** A question makes a kernel busy and idle again. */
const OWN_TURNS = 2;

/** The statuses of a kernel processOwner process has ended. */
const ENDED: ReadonlySet<string> = new Set(['restarting', 'autorestarting', 'terminating', 'dead']);

/** Where the live state of the active kernel stands. */
export type KernelStatus =
  | 'none' /** there is no kernel */
  | 'unsupported' /** it does not speak Python */
  | 'waiting' /** it starts, or is about to be asked */
  | 'busy' /** it computes, and is not asked */
  | 'known' /** it has answered since it computed last */
  | 'failed'; /** it did not answer, or with an error */

/** What is known of the kernel that is worked in. */
export interface IKernelView {
  readonly status: KernelStatus;
  /** Its name among the server's kernels, as in `python3`. */
  readonly name: string;
  /** Whose kernel it is: the name of the notebook or console. */
  readonly title: string;
  /** Its last answer; of a busy kernel that is one from before. */
  readonly state: IKernelState | null;
  readonly releasing: boolean;
  readonly released: IRelease | null;
}

type Shell = JupyterFrontEnd['shell'];

const NOTHING: IKernelView = {
  status: 'none',
  name: '',
  title: '',
  state: null,
  releasing: false,
  released: null
};

/**
 * Follows the kernel of the notebook or console that is worked in, and asks for its live state
 * while somebody watches.
 *
 * A kernel is asked when it has become idle, and never while it computes: the question would wait
 * in the queue of cells. Subshells could answer at once, but each answer would make JupyterLab, and
 * whatever ends idle kernels, take a busy kernel for an idle one. Between two runs of cells nothing
 * changes, so nothing is asked, and a kernel's idle time goes on.
 */
export class ActiveKernel extends Store<IKernelView> {
  constructor(
    private readonly shell: Shell,
    private readonly api: Pick<IAPI, 'snippets'>,
    private readonly page: Visibility = document
  ) {
    super(NOTHING);
    page.addEventListener('visibilitychange', this.catchUp);
    shell.currentChanged?.connect(this.turn);
    this.turn();
  }

  /** Emitted when the kernel has computed, and rests. */
  get becameIdle(): ISignal<ActiveKernel, void> {
    return this.hasBecomeIdle;
  }

  /** Ask for as long as the result is not disposed of. */
  watch(): IDisposable {
    this.watchers += 1;
    this.turn();
    this.askSoon(0);
    return new DisposableDelegate(() => {
      this.watchers -= 1;
    });
  }

  /** Ask now, if the kernel is idle. */
  refresh(): void {
    this.askSoon(0);
  }

  /**
   * Give the memory that torch keeps for later, and does not use now, back to the GPU.
   * Does nothing while the kernel is busy.
   */
  async release(): Promise<void> {
    const { kernel } = this;
    if (!kernel || kernel.status !== 'idle' || this.view.releasing) {
      return;
    }
    this.update({ releasing: true, released: null });
    try {
      const { release } = await this.loadSnippets();
      const released = (await this.put(kernel, release)) as IRelease;
      this.update({ released });
    } catch (error) {
      this.update({
        released: {
          done: false,
          reason: 'failed',
          before: [],
          after: [],
          freed_mib: 0,
          errors:
            error instanceof NoReply ? [] : [error instanceof Error ? error.message : String(error)]
        }
      });
    } finally {
      this.update({ releasing: false });
    }
    this.askSoon(0);
  }

  override dispose(): void {
    clearTimeout(this.timer);
    this.page.removeEventListener('visibilitychange', this.catchUp);
    this.shell.currentChanged?.disconnect(this.turn);
    this.leave();
    super.dispose();
  }

  /** Turn to the session that is worked in now. */
  private readonly turn = (): void => {
    const session = sessionOf(this.shell.currentWidget);
    // Text files and terminals have no kernel: the last one that was worked in stays.
    if (!session || session === this.session) {
      return;
    }
    this.leave();
    this.session = session;
    session.kernelChanged.connect(this.takeKernel);
    session.statusChanged.connect(this.takeStatus);
    session.disposed.connect(this.forget);
    this.takeKernel();
  };

  private leave(): void {
    this.session?.kernelChanged.disconnect(this.takeKernel);
    this.session?.statusChanged.disconnect(this.takeStatus);
    this.session?.disposed.disconnect(this.forget);
    this.session = null;
  }

  /** The notebook was closed. */
  private readonly forget = (): void => {
    this.leave();
    this.takeKernel();
    this.turn();
  };

  private readonly takeKernel = (): void => {
    const { kernel, session } = this;
    if (!kernel) {
      clearTimeout(this.timer);
      this.update(NOTHING);
      return;
    }
    const title = (session?.session?.path ?? '').split('/').pop() ?? '';
    this.update({ ...NOTHING, status: 'waiting', name: kernel.name, title });
    this.askSoon(0);
  };

  private readonly takeStatus = (): void => {
    if (this.asking) {
      this.turns += 1;
    } else {
      this.askSoon(IDLE_DELAY_MS);
    }
  };

  private askSoon(delayMs: number): void {
    clearTimeout(this.timer);
    if (this.kernel) {
      this.timer = setTimeout(() => void this.settle(), delayMs);
    }
  }

  private async settle(): Promise<void> {
    if (this.kernel?.status === 'idle') {
      this.hasBecomeIdle.emit();
    }
    this.missed = this.page.visibilityState === 'hidden';
    if (this.watchers > 0 && !this.missed) {
      await this.askNow();
    }
  }

  /** Ask for what was not asked while the page was hidden. */
  private readonly catchUp = (): void => {
    if (this.missed && this.page.visibilityState !== 'hidden') {
      this.askSoon(0);
    }
  };

  private async askNow(): Promise<void> {
    const { kernel } = this;
    if (!kernel || this.asking) {
      return;
    }
    const spec = await kernel.spec;
    if (spec && spec.language !== 'python') {
      this.updateFor(kernel, { status: 'unsupported' });
      return;
    }
    if (kernel.status === 'busy') {
      this.updateFor(kernel, { status: 'busy' });
    }
    if (ENDED.has(kernel.status)) {
      // What its torch held is gone with it.
      const status = kernel.status === 'dead' ? 'failed' : 'waiting';
      this.updateFor(kernel, { status, state: null, released: null });
    }
    if (kernel.status !== 'idle') {
      return;
    }
    try {
      const { state } = await this.loadSnippets();
      const answer = (await this.put(kernel, state)) as IKernelState;
      this.updateFor(kernel, { status: 'known', state: answer });
    } catch {
      this.updateFor(kernel, { status: 'failed' });
    }
  }

  /** Change the view, unless it is about another kernel by now. */
  private updateFor(kernel: Kernel.IKernelConnection, change: Partial<IKernelView>): void {
    if (this.kernel === kernel) {
      this.update(change);
    }
  }

  /** Put a question, processOwner own coming and going is no work of the user. */
  private async put(kernel: Kernel.IKernelConnection, expression: string): Promise<unknown> {
    this.asking = true;
    this.turns = 0;
    try {
      return await ask(kernel, expression);
    } finally {
      this.asking = false;
      // A short cell may have come and gone before the answer arrived.
      if (this.turns > OWN_TURNS) {
        this.askSoon(IDLE_DELAY_MS);
      }
    }
  }

  private async loadSnippets(): Promise<ISnippets> {
    return (this.snippets ??= await this.api.snippets());
  }

  private get kernel(): Kernel.IKernelConnection | null {
    return this.session?.session?.kernel ?? null;
  }

  private readonly hasBecomeIdle = new Signal<ActiveKernel, void>(this);
  private session: ISessionContext | null = null;
  private snippets: ISnippets | null = null;
  private watchers = 0;
  private asking = false;
  /** How often the kernel's status has changed since the question was put. */
  private turns = 0;
  private missed = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
}

/** The session of a notebook, a console, or whatever else runs a kernel. */
function sessionOf(widget: Widget | null): ISessionContext | null {
  if (!widget || widget.isDisposed || !('sessionContext' in widget)) {
    return null;
  }
  return widget.sessionContext as ISessionContext;
}
