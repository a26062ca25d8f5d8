import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel } from '@jupyterlab/services';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import type { IAPI } from './api';
import type { IKernelState, IRelease, ISnippets } from './contract';
import { evaluate, NoReply } from './evaluate';
import type { PageVisibility } from './gpus';
import { sessionOf } from './sessions';
import { Store } from './store';

/** How long a kernel has to be idle before it is queried, so that cells run without a pause. */
const IDLE_DELAY_MS = 500;

/** A query itself makes the kernel busy and then idle. */
const OWN_STATUS_CHANGES = 2;

/** The statuses of a kernel whose process has ended. */
const ENDED: ReadonlySet<string> = new Set(['restarting', 'autorestarting', 'terminating', 'dead']);

/** Whether the state of the active kernel is known. */
export type KernelStatus =
  | 'none' /** there is no kernel */
  | 'unsupported' /** it is not a Python kernel */
  | 'waiting' /** it is starting, or about to be queried */
  | 'busy' /** it is busy and not queried */
  | 'known' /** it has replied since it was last busy */
  | 'failed'; /** it did not reply, or replied with an error */

/** What is known about the active kernel. */
export interface IKernelView {
  readonly status: KernelStatus;
  /** Its kernelspec, for example `python3`. */
  readonly name: string;
  /** File name of its notebook or console. */
  readonly title: string;
  /** Its last reply; for a busy kernel, the one from before. */
  readonly state: IKernelState | null;
  readonly releasing: boolean;
  readonly released: IRelease | null;
}

type Shell = JupyterFrontEnd['shell'];

const NO_KERNEL: IKernelView = {
  status: 'none',
  name: '',
  title: '',
  state: null,
  releasing: false,
  released: null
};

/**
 * Follows the kernel of the active notebook or console, and queries its state while it has
 * watchers.
 *
 * A kernel is queried when it becomes idle, and never while it is busy: the query would wait in the
 * queue of cells. Subshells could reply at once, but each reply would make JupyterLab and idle
 * cullers take the busy kernel for an idle one. Between two executions nothing changes, so nothing
 * is queried and the kernel's idle time is not reset.
 */
export class ActiveKernel extends Store<IKernelView> {
  constructor(
    private readonly shell: Shell,
    private readonly api: Pick<IAPI, 'snippets'>,
    private readonly page: PageVisibility = document
  ) {
    super(NO_KERNEL);
    page.addEventListener('visibilitychange', this.onVisibilityChange);
    shell.currentChanged?.connect(this.followCurrent);
    this.followCurrent();
  }

  /** Emitted when the kernel has been idle for a moment. */
  get becameIdle(): ISignal<ActiveKernel, void> {
    return this._becameIdle;
  }

  /** Query the kernel whenever it becomes idle, until the result is disposed. */
  watch(): IDisposable {
    this.watchers += 1;
    this.followCurrent();
    this.schedule(0);
    return new DisposableDelegate(() => {
      this.watchers -= 1;
    });
  }

  /** Query the kernel now if it is idle. */
  refresh(): void {
    this.schedule(0);
  }

  /** Return memory that torch has cached but does not use to the GPU, unless the kernel is busy. */
  async release(): Promise<void> {
    const { kernel } = this;
    if (!kernel || kernel.status !== 'idle' || this.view.releasing) {
      return;
    }
    this.update({ releasing: true, released: null });
    let released: IRelease;
    try {
      const { release } = await this.loadSnippets();
      released = (await this.query(kernel, release)) as IRelease;
    } catch (error) {
      released = {
        done: false,
        reason: 'failed',
        before: [],
        after: [],
        freed_mib: 0,
        errors:
          error instanceof NoReply ? [] : [error instanceof Error ? error.message : String(error)]
      };
    }
    this.updateFor(kernel, { releasing: false, released });
    this.schedule(0);
  }

  override dispose(): void {
    clearTimeout(this.timer);
    this.page.removeEventListener('visibilitychange', this.onVisibilityChange);
    this.shell.currentChanged?.disconnect(this.followCurrent);
    this.leaveSession();
    super.dispose();
  }

  private readonly followCurrent = (): void => {
    const session = sessionOf(this.shell.currentWidget);
    // Text files and terminals have no kernel: the last active one stays.
    if (!session || session === this.session) {
      return;
    }
    this.leaveSession();
    this.session = session;
    session.kernelChanged.connect(this.onKernelChanged);
    session.statusChanged.connect(this.onStatusChanged);
    session.disposed.connect(this.onSessionDisposed);
    this.onKernelChanged();
  };

  private leaveSession(): void {
    this.session?.kernelChanged.disconnect(this.onKernelChanged);
    this.session?.statusChanged.disconnect(this.onStatusChanged);
    this.session?.disposed.disconnect(this.onSessionDisposed);
    this.session = null;
  }

  private readonly onSessionDisposed = (): void => {
    this.leaveSession();
    this.onKernelChanged();
    this.followCurrent();
  };

  private readonly onKernelChanged = (): void => {
    const { kernel, session } = this;
    if (!kernel) {
      clearTimeout(this.timer);
      this.update(NO_KERNEL);
      return;
    }
    const title = (session?.session?.path ?? '').split('/').pop() ?? '';
    this.update({ ...NO_KERNEL, status: 'waiting', name: kernel.name, title });
    this.schedule(0);
  };

  private readonly onStatusChanged = (): void => {
    if (this.queried && this.queried === this.kernel) {
      this.statusChanges += 1;
    } else {
      this.schedule(IDLE_DELAY_MS);
    }
  };

  private schedule(delayMs: number): void {
    clearTimeout(this.timer);
    if (this.kernel) {
      this.timer = setTimeout(() => void this.onStatusSettled(), delayMs);
    }
  }

  private async onStatusSettled(): Promise<void> {
    if (this.kernel?.status === 'idle') {
      this._becameIdle.emit();
    }
    this.missed = this.page.visibilityState === 'hidden';
    if (this.watchers > 0 && !this.missed) {
      await this.updateState();
    }
  }

  /** Make up for the query that was omitted while the page was hidden. */
  private readonly onVisibilityChange = (): void => {
    if (this.missed && this.page.visibilityState !== 'hidden') {
      this.schedule(0);
    }
  };

  private async updateState(): Promise<void> {
    const { kernel } = this;
    if (!kernel || this.queried === kernel) {
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
      const status = kernel.status === 'dead' ? 'failed' : 'waiting';
      this.updateFor(kernel, { status, state: null, released: null });
    }
    if (kernel.status !== 'idle') {
      return;
    }
    try {
      const { state } = await this.loadSnippets();
      const reply = (await this.query(kernel, state)) as IKernelState;
      this.updateFor(kernel, { status: 'known', state: reply });
    } catch {
      this.updateFor(kernel, { status: 'failed' });
    }
  }

  /** Change the view, unless another kernel is active by now. */
  private updateFor(kernel: Kernel.IKernelConnection, change: Partial<IKernelView>): void {
    if (this.kernel === kernel) {
      this.update(change);
    }
  }

  private async query(kernel: Kernel.IKernelConnection, expression: string): Promise<unknown> {
    this.queried = kernel;
    this.statusChanges = 0;
    try {
      return await evaluate(kernel, expression);
    } finally {
      // Another kernel may have become the active one, and be queried, in the meantime.
      if (this.queried === kernel) {
        this.queried = null;
        // A short cell may have run before the reply arrived.
        if (this.statusChanges > OWN_STATUS_CHANGES) {
          this.schedule(IDLE_DELAY_MS);
        }
      }
    }
  }

  private async loadSnippets(): Promise<ISnippets> {
    return (this.snippets ??= await this.api.snippets());
  }

  private get kernel(): Kernel.IKernelConnection | null {
    return this.session?.session?.kernel ?? null;
  }

  private readonly _becameIdle = new Signal<ActiveKernel, void>(this);
  private session: ISessionContext | null = null;
  private snippets: ISnippets | null = null;
  private watchers = 0;
  /** The kernel whose reply to a query is on its way. */
  private queried: Kernel.IKernelConnection | null = null;
  /** Number of status changes since the current query was sent. */
  private statusChanges = 0;
  /** Whether a query was omitted because the page was hidden. */
  private missed = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
}
