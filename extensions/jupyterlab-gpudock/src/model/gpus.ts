import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import { APIError, type IAPI } from './api';
import { Connection } from './connection';
import type { Frame, ICheck, ISnapshotFrame } from './contract';
import { applyDelta } from './delta';
import { fromServer, withPast, withSnapshot } from './history';
import { RequestOrder } from './requestOrder';
import { Store } from './store';
import type { ConnectionProblem, IGPUModel, IGPUView } from './tokens';

/** The part of a document that knows whether the page is visible. */
export type PageVisibility = Pick<
  Document,
  'visibilityState' | 'addEventListener' | 'removeEventListener'
>;

const PROBLEM_BY_STATUS: Partial<Record<number, ConnectionProblem>> = {
  401: 'forbidden',
  403: 'forbidden',
  404: 'missing'
};

/** Follows the server's stream while it has watchers and the page is visible. */
export class GPUModel extends Store<IGPUView> implements IGPUModel {
  constructor(
    private readonly api: IAPI,
    private readonly page: PageVisibility = document
  ) {
    super({
      snapshot: null,
      takenAt: 0,
      stale: false,
      problem: null,
      history: new Map(),
      environments: null,
      stack: null,
      stackStatus: 'loading'
    });
    this.connection = new Connection({
      open: () => api.openStream(),
      onOpen: () => {
        this.sentRate = null;
        this.sendRate();
      },
      onFrame: frame => {
        this.readings.supersede();
        this.accept(frame);
      },
      onLost: () => void this.diagnose()
    });
    page.addEventListener('visibilitychange', this.updateConnection);
  }

  get checkChanged(): ISignal<IGPUModel, ICheck> {
    return this._checkChanged;
  }

  watch(intervalS: number | null = null): IDisposable {
    const watcher = { intervalS };
    this.watchers.add(watcher);
    this.updateConnection();
    return new DisposableDelegate(() => {
      this.watchers.delete(watcher);
      this.updateConnection();
    });
  }

  async readOnce(): Promise<void> {
    if (this.connection.isRunning || this.page.visibilityState === 'hidden') {
      return;
    }
    const isNewer = this.readings.begin();
    try {
      const frame = await this.api.gpus();
      if (isNewer()) {
        this.accept(frame);
      }
    } catch (error) {
      if (isNewer()) {
        this.update({ problem: problemFrom(error) });
      }
    }
  }

  setKernel(name: string): void {
    if (name !== this.kernel) {
      this.kernel = name;
      this.stackLoadedFor = '';
      this.stacks.supersede();
      if (this.connection.isAlive) {
        this.updateStack();
      }
    }
  }

  async refreshStack(): Promise<void> {
    await this.loadStack(true);
  }

  reconnect(): void {
    this.connection.retryNow();
  }

  override dispose(): void {
    super.dispose();
    this.page.removeEventListener('visibilitychange', this.updateConnection);
    this.connection.stop();
  }

  private readonly updateConnection = (): void => {
    const isNeeded =
      this.watchers.size > 0 && this.page.visibilityState !== 'hidden' && !this.isDisposed;
    if (isNeeded && !this.connection.isRunning) {
      this.update({ problem: null });
      this.connection.start();
      void this.loadHistory();
    } else if (isNeeded) {
      this.sendRate();
    } else {
      this.connection.stop();
    }
  };

  /** Request the fastest rate of all watchers from the server, if it does not know it yet. */
  private sendRate(): void {
    const intervals = [...this.watchers].map(({ intervalS }) => intervalS);
    const rate = intervals.includes(null)
      ? null
      : Math.min(...intervals.filter(interval => interval !== null));
    if (this.connection.isOpen && rate !== this.sentRate) {
      this.sentRate = rate;
      this.connection.send({ type: 'rate', interval_s: rate });
    }
  }

  private accept(frame: Frame): void {
    switch (frame.type) {
      case 'snapshot':
        this.acceptSnapshot(frame);
        break;
      case 'delta': {
        const { snapshot } = this.view;
        const next = snapshot && applyDelta(snapshot, frame);
        if (next) {
          this.acceptSnapshot(next);
        } else {
          this.connection.restart();
        }
        break;
      }
      case 'stale':
      case 'waiting':
        this.update({ stale: true, problem: null });
        break;
      case 'check':
        this._checkChanged.emit(frame.check);
        break;
      case 'error':
        console.warn('GPU panel:', frame.message);
    }
  }

  private acceptSnapshot(snapshot: ISnapshotFrame): void {
    this.update({
      snapshot,
      takenAt: Date.now() - 1000 * snapshot.age_s,
      stale: snapshot.stale,
      problem: null,
      history: withSnapshot(this.view.history, snapshot)
    });
    if (this.connection.isRunning) {
      this.updateStack();
    }
  }

  /** Load the stack again if the state of the GPUs or the driver has changed. */
  private updateStack(): void {
    const { snapshot } = this.view;
    const key = `${snapshot?.state ?? ''} ${snapshot?.driver ?? ''}`;
    if (key !== this.stackLoadedFor) {
      this.stackLoadedFor = key;
      void this.loadStack(false);
    }
  }

  private async loadHistory(): Promise<void> {
    try {
      const past = fromServer(await this.api.history());
      this.update({ history: withPast(this.view.history, past) });
    } catch {
      // The charts then begin now. The stream reports connection problems.
    }
  }

  private async loadStack(refresh: boolean): Promise<void> {
    // Only the last request counts: those before it may be for another kernel.
    this.stacks.supersede();
    const isNewest = this.stacks.begin();
    this.update({ stackStatus: 'loading' });
    try {
      const stack = await this.api.stack(this.kernel, refresh);
      if (isNewest()) {
        this.update({ stack, stackStatus: 'ready' });
      }
    } catch {
      if (isNewest()) {
        this.stackLoadedFor = '';
        this.update({ stackStatus: 'failed' });
      }
      return;
    }
    if (refresh || !this.view.environments) {
      await this.loadEnvironments();
    }
  }

  private async loadEnvironments(): Promise<void> {
    const isNewer = this.lists.begin();
    try {
      const environments = await this.api.environments();
      if (isNewer()) {
        this.update({ environments });
      }
    } catch {
      // Without the list of kernels, the stack card offers no choice.
    }
  }

  /** Find out why the stream broke: a WebSocket has no status code, a REST call does. */
  private async diagnose(): Promise<void> {
    const isNewer = this.diagnoses.begin();
    let problem: ConnectionProblem = 'unreachable';
    try {
      await this.api.gpus();
    } catch (error) {
      problem = problemFrom(error);
    }
    if (isNewer() && this.connection.isRunning && !this.connection.isAlive) {
      this.update({ problem });
    }
  }

  private readonly connection: Connection;
  private readonly _checkChanged = new Signal<IGPUModel, ICheck>(this);
  private readonly watchers = new Set<{ intervalS: number | null }>();
  private sentRate: number | null = null;
  private kernel = '';
  /** State and driver for which the stack was requested last. */
  private stackLoadedFor = '';
  private readonly readings = new RequestOrder();
  private readonly stacks = new RequestOrder();
  private readonly lists = new RequestOrder();
  private readonly diagnoses = new RequestOrder();
}

function problemFrom(error: unknown): ConnectionProblem {
  const status = error instanceof APIError ? error.status : 0;
  return PROBLEM_BY_STATUS[status] ?? 'unreachable';
}
