import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import { APIError, type IAPI } from './api';
import { Connection } from './connection';
import type { Frame, ICheck, ISnapshotFrame } from './contract';
import { applyDelta } from './delta';
import { fromServer, withSnapshot } from './history';
import { Store } from './store';
import type { IGPUModel, IGPUView, ConnectionProblem } from './tokens';

/** Tells whether the page is visible, and when that changes. */
export type Visibility = Pick<
  Document,
  'visibilityState' | 'addEventListener' | 'removeEventListener'
>;

const PROBLEM_BY_STATUS: Partial<Record<number, ConnectionProblem>> = {
  401: 'forbidden',
  403: 'forbidden',
  404: 'missing'
};

/** Follows the server's stream while somebody watches and the page is visible. */
export class GPUModel extends Store<IGPUView> implements IGPUModel {
  constructor(
    private readonly api: IAPI,
    private readonly page: Visibility = document
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
        this.rateTold = null;
        this.tellRate();
      },
      onFrame: frame => this.take(frame),
      onLost: () => void this.diagnose()
    });
    page.addEventListener('visibilitychange', this.follow);
  }

  get checkChanged(): ISignal<IGPUModel, ICheck> {
    return this.hasChangedCheck;
  }

  watch(intervalS: number | null = null): IDisposable {
    const wish = { intervalS };
    this.wishes.add(wish);
    this.follow();
    return new DisposableDelegate(() => {
      this.wishes.delete(wish);
      this.follow();
    });
  }

  async readOnce(): Promise<void> {
    if (this.connection.isRunning || this.page.visibilityState === 'hidden') {
      return;
    }
    try {
      this.take(await this.api.gpus());
    } catch (error) {
      this.update({ problem: problemOf(error) });
    }
  }

  setKernel(name: string): void {
    if (name !== this.kernel) {
      this.kernel = name;
      this.stackJudgedFor = '';
      if (this.connection.isAlive) {
        this.judge();
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
    this.page.removeEventListener('visibilitychange', this.follow);
    this.connection.stop();
  }

  private readonly follow = (): void => {
    const wanted =
      this.wishes.size > 0 && this.page.visibilityState !== 'hidden' && !this.isDisposed;
    if (wanted && !this.connection.isRunning) {
      this.update({ problem: null });
      this.connection.start();
      void this.loadHistory();
    } else if (wanted) {
      this.tellRate();
    } else {
      this.connection.stop();
    }
  };

  /** Tell the server how often readings are wished for, if it does not know yet. */
  private tellRate(): void {
    const wishes = [...this.wishes].map(wish => wish.intervalS);
    const rate = wishes.some(wish => wish === null)
      ? null
      : Math.min(...wishes.map(wish => wish ?? Infinity));
    if (this.connection.isOpen && rate !== this.rateTold) {
      this.rateTold = rate;
      this.connection.send({ type: 'rate', interval_s: rate });
    }
  }

  private take(frame: Frame): void {
    switch (frame.type) {
      case 'snapshot':
        this.takeSnapshot(frame);
        break;
      case 'delta': {
        const { snapshot } = this.view;
        const next = snapshot && applyDelta(snapshot, frame);
        if (next) {
          this.takeSnapshot(next);
        } else {
          this.connection.renew();
        }
        break;
      }
      case 'stale':
      case 'waiting':
        this.update({ stale: true, problem: null });
        break;
      case 'check':
        this.hasChangedCheck.emit(frame.check);
        break;
      case 'error':
        console.warn('GPU panel:', frame.message);
    }
  }

  private takeSnapshot(snapshot: ISnapshotFrame): void {
    this.update({
      snapshot,
      takenAt: Date.now() - 1000 * snapshot.age_s,
      stale: snapshot.stale,
      problem: null,
      history: withSnapshot(this.view.history, snapshot)
    });
    if (this.connection.isRunning) {
      this.judge();
    }
  }

  /** Ask for the stack if what it was judged for is not the case any more. */
  private judge(): void {
    const { snapshot } = this.view;
    const judged = `${snapshot?.state ?? ''} ${snapshot?.driver ?? ''}`;
    if (judged !== this.stackJudgedFor) {
      this.stackJudgedFor = judged;
      void this.loadStack(false);
    }
  }

  /** The past, which the stream does not carry. */
  private async loadHistory(): Promise<void> {
    try {
      const past = fromServer(await this.api.history());
      const { snapshot } = this.view;
      this.update({ history: snapshot ? withSnapshot(past, snapshot) : past });
    } catch {
      // The lines begin with this moment then; what keeps the server away is told by the stream.
    }
  }

  private async loadStack(refresh: boolean): Promise<void> {
    const request = ++this.stackRequest;
    this.update({ stackStatus: 'loading' });
    try {
      const stack = await this.api.stack(this.kernel, refresh);
      if (request === this.stackRequest) {
        this.update({ stack, stackStatus: 'ready' });
      }
    } catch {
      if (request === this.stackRequest) {
        this.stackJudgedFor = '';
        this.update({ stackStatus: 'failed' });
      }
      return;
    }
    if (refresh || !this.view.environments) {
      await this.loadEnvironments();
    }
  }

  private async loadEnvironments(): Promise<void> {
    try {
      this.update({ environments: await this.api.environments() });
    } catch {
      // There is no choice of kernels then; the stack of the active one is shown all the same.
    }
  }

  /** A WebSocket does not tell why it was refused; the same server's REST call does. */
  private async diagnose(): Promise<void> {
    let problem: ConnectionProblem = 'unreachable';
    try {
      await this.api.gpus();
    } catch (error) {
      problem = problemOf(error);
    }
    if (this.connection.isRunning && !this.connection.isAlive) {
      this.update({ problem });
    }
  }

  private readonly connection: Connection;
  private readonly hasChangedCheck = new Signal<IGPUModel, ICheck>(this);
  private readonly wishes = new Set<{ intervalS: number | null }>();
  private rateTold: number | null = null;
  private kernel = '';
  private stackJudgedFor = '';
  private stackRequest = 0;
}

function problemOf(error: unknown): ConnectionProblem {
  const status = error instanceof APIError ? error.status : 0;
  return PROBLEM_BY_STATUS[status] ?? 'unreachable';
}
