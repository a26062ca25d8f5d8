import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import { APIError, type IAPI } from './api';
import type { ILease } from './contract';
import type { PageVisibility } from './gpus';
import { RequestOrder } from './requestOrder';
import { Store } from './store';

/** How many minutes before its end a session is warned about, the earliest first. */
const WARNINGS_MIN: readonly number[] = [60, 15, 5];
const MINUTE_MS = 60_000;
const REFRESH_MS = MINUTE_MS;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Something the user can do about the session. */
export type LeaseAction = 'extend' | 'release' | 'restart';

/** What is known about this server's lease. */
export interface ILeaseView {
  readonly lease: ILease | null;
  /** How far the server's clock is ahead of this page's, in milliseconds. */
  readonly clockOffsetMs: number;
  /** The action in progress. */
  readonly pending: LeaseAction | null;
  /** Why the last action failed; null if it succeeded. */
  readonly error: ILeaseError | null;
}

/** Why an action failed. */
export interface ILeaseError {
  readonly action: LeaseAction;
  /** The server's error code; empty if it did not respond. */
  readonly code: string;
}

/** A warning that the session ends soon. */
export interface ILeaseWarning {
  readonly lease: ILease;
  /** What ends it: its time limit, or its idle limit. */
  readonly limit: 'time' | 'idle';
  /** Remaining milliseconds. */
  readonly leftMs: number;
}

interface IDeadline {
  readonly limit: ILeaseWarning['limit'];
  /** The server's clock, in milliseconds. */
  readonly at: number;
  readonly warnings: readonly number[];
}

type LeaseAPI = Pick<IAPI, 'lease' | 'extendLease' | 'releaseLease' | 'restartServer'>;

/**
 * Follows this server's lease, if a gpudock hub gave it one.
 *
 * With watchers, the lease is loaded once a minute. Without, it is loaded only when a warning is
 * due, to see whether the end has changed in the meantime.
 */
export class Lease extends Store<ILeaseView> {
  constructor(
    private readonly api: LeaseAPI,
    private readonly page: PageVisibility = document
  ) {
    super({ lease: null, clockOffsetMs: 0, pending: null, error: null });
    page.addEventListener('visibilitychange', this.schedule);
  }

  /** Emitted once for each warning of each deadline. */
  get warned(): ISignal<Lease, ILeaseWarning> {
    return this._warned;
  }

  /** Keep the lease up to date until the result is disposed. */
  watch(): IDisposable {
    this.watchers += 1;
    void this.load();
    return new DisposableDelegate(() => {
      this.watchers -= 1;
      this.schedule();
    });
  }

  /** Load the lease. */
  async load(): Promise<void> {
    const isNewer = this.order.begin();
    try {
      const lease = await this.api.lease();
      if (isNewer()) {
        this.accept(lease);
      }
    } catch {
      // The stream reports connection problems. The countdown goes on.
      this.scheduleAfter(REFRESH_MS);
    }
  }

  /** Extend the session as far as the quota allows. */
  async extend(): Promise<void> {
    await this.perform('extend', async () => this.acceptChange(await this.api.extendLease()));
  }

  /**
   * Release the GPU; the Hub then stops this server.
   *
   * @returns whether it is released
   */
  async release(): Promise<boolean> {
    await this.perform('release', async () => {
      const lease = await this.orStopped(() => this.api.releaseLease());
      if (lease) {
        this.acceptChange(lease);
      }
    });
    return this.view.error === null;
  }

  /**
   * Stop this server, so that the Hub can start it again.
   *
   * @returns whether it stops
   */
  async restart(): Promise<boolean> {
    await this.perform('restart', async () => {
      const answer = await this.orStopped(() => this.api.restartServer());
      if (answer?.restarting === false) {
        throw new APIError(409, answer.code ?? 'refused');
      }
    });
    return this.view.error === null;
  }

  /** Return the response of a server that is to stop; null if it stopped before it responded. */
  private async orStopped<T>(request: () => Promise<T>): Promise<T | null> {
    try {
      return await request();
    } catch (error) {
      if (error instanceof APIError && error.code) {
        throw error;
      }
      return null;
    }
  }

  override dispose(): void {
    super.dispose();
    clearTimeout(this.timer);
    this.page.removeEventListener('visibilitychange', this.schedule);
  }

  /**
   * Perform an action after the one that is in progress, if there is one; two of the same kind are
   * one.
   */
  private async perform(action: LeaseAction, run: () => Promise<void>): Promise<void> {
    while (this.performing) {
      const isSame = this.view.pending === action;
      await this.performing;
      if (isSame) {
        return;
      }
    }
    this.performing = this.performNow(action, run).finally(() => {
      this.performing = null;
    });
    await this.performing;
  }

  private async performNow(action: LeaseAction, run: () => Promise<void>): Promise<void> {
    this.update({ pending: action, error: null });
    try {
      await run();
    } catch (error) {
      const code = error instanceof APIError ? error.code : '';
      this.update({ error: { action, code } });
    } finally {
      this.update({ pending: null });
    }
  }

  /** Accept the lease as an action has changed it; what was requested before is older. */
  private acceptChange(lease: ILease): void {
    this.order.supersede();
    this.accept(lease);
  }

  private accept(lease: ILease): void {
    const clockOffsetMs = 1000 * lease.now - Date.now();
    // Keep the offset unless a clock has changed: a slow response must not move the countdown.
    const isSame = Math.abs(clockOffsetMs - this.view.clockOffsetMs) < 2000 && this.view.lease;
    this.update({ lease, ...(!isSame && { clockOffsetMs }) });
    this.warn();
    this.schedule();
  }

  /** Emit the warnings that are due, and of several for one deadline only the latest. */
  private warn(): void {
    const { lease } = this.view;
    for (const deadline of this.deadlines()) {
      const { limit, at, warnings } = deadline;
      const leftMs = at - this.now();
      const due = warnings.filter(minutes => leftMs <= MINUTE_MS * minutes);
      const latest = due.at(-1);
      if (!lease || leftMs <= 0 || latest === undefined) {
        continue;
      }
      const isNew = !this.hasWarned(deadline, latest);
      due.forEach(minutes => this.warnings.set(`${limit} ${minutes}`, at));
      if (isNew) {
        this._warned.emit({ lease, limit, leftMs });
      }
    }
  }

  private hasWarned({ limit, at }: IDeadline, minutes: number): boolean {
    const warned = this.warnings.get(`${limit} ${minutes}`);
    // The server computes deadlines each time, and they differ by seconds.
    return warned !== undefined && Math.abs(warned - at) < MINUTE_MS;
  }

  private readonly schedule = (): void => this.scheduleAfter(1000);

  /** Set the timer for the next time that the lease has to be loaded. */
  private scheduleAfter(minDelayMs: number): void {
    clearTimeout(this.timer);
    const { lease } = this.view;
    if (this.isDisposed || this.page.visibilityState === 'hidden' || !lease?.managed) {
      return;
    }
    const now = this.now();
    const delays = this.deadlines()
      .filter(({ at }) => at > now)
      .flatMap(deadline =>
        deadline.warnings
          .filter(minutes => !this.hasWarned(deadline, minutes))
          .map(minutes => deadline.at - MINUTE_MS * minutes - now)
      );
    const { limit_minutes: limit, ends_at: idleEnd } = lease.idle;
    if (limit !== null && idleEnd === null) {
      // The GPU is in use: if it becomes idle now, these warnings are the first that could be due.
      delays.push(...idleWarnings(limit).map(minutes => MINUTE_MS * (limit - minutes)));
    }
    const delayMs = Math.min(...delays, this.watchers > 0 ? REFRESH_MS : Infinity);
    if (delayMs < MAX_TIMER_MS) {
      this.timer = setTimeout(() => void this.load(), Math.max(delayMs, minDelayMs));
    }
  }

  private deadlines(): IDeadline[] {
    const { lease } = this.view;
    const deadlines: IDeadline[] = [];
    if (lease && lease.ends_at !== null && lease.ends_because !== 'idle') {
      deadlines.push({ limit: 'time', at: 1000 * lease.ends_at, warnings: WARNINGS_MIN });
    }
    if (lease && lease.idle.ends_at !== null) {
      const warnings = idleWarnings(lease.idle.limit_minutes ?? Infinity);
      deadlines.push({ limit: 'idle', at: 1000 * lease.idle.ends_at, warnings });
    }
    return deadlines;
  }

  /** The server's clock, in milliseconds. */
  private now(): number {
    return Date.now() + this.view.clockOffsetMs;
  }

  private readonly _warned = new Signal<Lease, ILeaseWarning>(this);
  /** By limit and minutes: the deadline that was warned about. */
  private readonly warnings = new Map<string, number>();
  private readonly order = new RequestOrder();
  private performing: Promise<void> | null = null;
  private watchers = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
}

/** Return the warnings for an idle session, without those that would be due right away. */
function idleWarnings(limitMinutes: number): number[] {
  return WARNINGS_MIN.filter(minutes => 2 * minutes <= limitMinutes);
}
