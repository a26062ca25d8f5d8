import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import { APIError, type Frame, type IAPI, type ISnapshot } from './api';
import { Connection } from './connection';
import { fromServer, withSnapshot } from './history';
import type { IGPUModel, IGPUView, Trouble } from './tokens';

/** Tells whether the page is visible, and when that changes. */
export type Visibility = Pick<
  Document,
  'visibilityState' | 'addEventListener' | 'removeEventListener'
>;

const TROUBLE_BY_STATUS: Partial<Record<number, Trouble>> = {
  401: 'forbidden',
  403: 'forbidden',
  404: 'missing'
};

/** Follows the server's stream while somebody watches and the page is visible. */
export class GPUModel implements IGPUModel, IDisposable {
  constructor(
    private readonly api: IAPI,
    private readonly page: Visibility = document
  ) {
    this.connection = new Connection({
      open: () => api.openStream(),
      onFrame: frame => this.take(frame),
      onLost: () => void this.diagnose()
    });
    page.addEventListener('visibilitychange', this.follow);
  }

  get changed(): ISignal<IGPUModel, void> {
    return this.hasChanged;
  }

  get view(): IGPUView {
    return this.current;
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  watch(): IDisposable {
    this.watchers += 1;
    this.follow();
    return new DisposableDelegate(() => {
      this.watchers -= 1;
      this.follow();
    });
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

  dispose(): void {
    if (!this.disposed) {
      this.disposed = true;
      this.page.removeEventListener('visibilitychange', this.follow);
      this.connection.stop();
      Signal.clearData(this);
    }
  }

  private readonly follow = (): void => {
    const wanted = this.watchers > 0 && this.page.visibilityState !== 'hidden' && !this.disposed;
    if (wanted && !this.connection.isRunning) {
      this.connection.start();
      void this.loadContext();
    } else if (!wanted) {
      this.connection.stop();
    }
  };

  private take(frame: Frame): void {
    if (frame.type === 'snapshot') {
      this.takeSnapshot(frame);
    } else {
      this.update({ stale: true, trouble: null });
    }
  }

  private takeSnapshot(snapshot: ISnapshot): void {
    this.update({
      snapshot,
      takenAt: Date.now() - 1000 * snapshot.age_s,
      stale: snapshot.stale,
      trouble: null,
      history: withSnapshot(this.current.history, snapshot)
    });
    this.judge();
  }

  /** Ask for the stack if what it was judged for is not the case any more. */
  private judge(): void {
    const { snapshot } = this.current;
    const judged = `${snapshot?.state ?? ''} ${snapshot?.driver ?? ''}`;
    if (judged !== this.stackJudgedFor) {
      this.stackJudgedFor = judged;
      void this.loadStack(false);
    }
  }

  /** What the stream does not carry: the past, and where the GPUs come from. */
  private async loadContext(): Promise<void> {
    const [history, lease] = await Promise.allSettled([this.api.history(), this.api.lease()]);
    if (lease.status === 'fulfilled') {
      this.update({ lease: lease.value });
    }
    if (history.status === 'fulfilled') {
      const past = fromServer(history.value);
      const { snapshot } = this.current;
      this.update({ history: snapshot ? withSnapshot(past, snapshot) : past });
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
    }
  }

  /** A WebSocket does not tell why it was refused; the same server's REST call does. */
  private async diagnose(): Promise<void> {
    let trouble: Trouble = 'unreachable';
    try {
      await this.api.gpus();
    } catch (error) {
      if (error instanceof APIError) {
        trouble = TROUBLE_BY_STATUS[error.status] ?? 'unreachable';
      }
    }
    if (this.connection.isRunning && !this.connection.isAlive) {
      this.update({ trouble });
    }
  }

  private update(change: Partial<IGPUView>): void {
    if (!this.disposed) {
      this.current = { ...this.current, ...change };
      this.hasChanged.emit();
    }
  }

  private readonly connection: Connection;
  private readonly hasChanged = new Signal<IGPUModel, void>(this);
  private current: IGPUView = {
    snapshot: null,
    takenAt: 0,
    stale: false,
    trouble: null,
    history: new Map(),
    lease: null,
    stack: null,
    stackStatus: 'loading'
  };
  private watchers = 0;
  private disposed = false;
  private kernel = '';
  private stackJudgedFor = '';
  private stackRequest = 0;
}
