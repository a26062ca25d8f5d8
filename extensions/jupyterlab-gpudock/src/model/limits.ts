import { DisposableDelegate, type IDisposable } from '@lumino/disposable';

import type { IAPI } from './api';
import type { ILimits } from './contract';
import type { PageVisibility } from './gpus';
import { RequestOrder } from './requestOrder';
import { Store } from './store';

const REFRESH_MS = 5000;

/** What is known about the limits of this server. */
export interface ILimitsView {
  readonly limits: ILimits | null;
}

/** Follows what this server may use of its host and uses, while it has watchers. */
export class Limits extends Store<ILimitsView> {
  constructor(
    private readonly api: Pick<IAPI, 'limits'>,
    private readonly page: PageVisibility = document
  ) {
    super({ limits: null });
  }

  /** Keep the values up to date until the result is disposed. */
  watch(): IDisposable {
    this.watchers += 1;
    this.timer ??= setInterval(() => void this.load(), REFRESH_MS);
    void this.load();
    return new DisposableDelegate(() => {
      this.watchers -= 1;
      if (this.watchers === 0) {
        this.stop();
      }
    });
  }

  override dispose(): void {
    this.stop();
    super.dispose();
  }

  private async load(): Promise<void> {
    if (this.page.visibilityState === 'hidden') {
      return;
    }
    const isNewer = this.order.begin();
    try {
      const limits = await this.api.limits();
      if (isNewer()) {
        this.update({ limits });
      }
    } catch {
      // The stream reports connection problems.
    }
  }

  private stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private readonly order = new RequestOrder();
  private watchers = 0;
  private timer: ReturnType<typeof setInterval> | undefined;
}
