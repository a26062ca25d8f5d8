import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import { APIError, type IAPI } from './api';
import type { ILease, IRestart } from './contract';
import type { Visibility } from './gpus';
import { Store } from './store';

/** How many minutes before its end a session is warned of, the earliest first. */
const WARNINGS_MIN = [60, 15, 5] as const;
const MINUTE_MS = 60_000;
const REFRESH_MS = MINUTE_MS;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What is known of this server's lease. */
export interface ILeaseView {
  readonly lease: ILease | null;
  /** How far the server's clock is ahead of this page's, in milliseconds. */
  readonly clockOffsetMs: number;
  /** What is being done right now. */
  readonly pending: 'extend' | 'release' | 'restart' | null;
  /** What was asked for last and was not done, and the case; null if it was. */
  readonly refusal: ILeaseError | null;
}

/** Why something was not done about a session. */
export interface ILeaseError {
  readonly asked: 'extend' | 'release' | 'restart';
  /** The server's code for the case; empty when it did not answer. */
  readonly code: string;
}

/** Word that a session ends soon. */
export interface ILeaseWarning {
  readonly lease: ILease;
  /** Which end is near: the session's own, or that of one which stays idle. */
  readonly end: 'session' | 'idle';
  /** Milliseconds that are left. */
  readonly leftMs: number;
}

interface IEnd {
  readonly name: ILeaseWarning['end'];
  readonly at: number;
  readonly warnings: readonly number[];
}

type LeaseAPI = Pick<IAPI, 'lease' | 'extendLease' | 'releaseLease' | 'restartServer'>;

/**
 * Follows this server's lease, if a gpudock hub gave it one.
 *
 * While the panel shows it, it is asked for once a minute. While nobody looks, it is asked for only
 * when a warning falls due, to see whether the end has moved in the meantime.
 */
export class Lease extends Store<ILeaseView> {
  constructor(
    private readonly api: LeaseAPI,
    private readonly page: Visibility = document
  ) {
    super({ lease: null, clockOffsetMs: 0, pending: null, refusal: null });
    page.addEventListener('visibilitychange', this.plan);
  }

  /** Emitted once for each warning of each end. */
  get warned(): ISignal<Lease, ILeaseWarning> {
    return this.hasWarned;
  }

  /** Keep the lease fresh for as long as the result is not disposed of. */
  watch(): IDisposable {
    this.watchers += 1;
    void this.load();
    return new DisposableDelegate(() => {
      this.watchers -= 1;
      this.plan();
    });
  }

  /** Ask for the lease. */
  async load(): Promise<void> {
    try {
      this.take(await this.api.lease());
    } catch {
      // Whether the server is away is told by the stream; a countdown goes on without it.
      this.planAfter(REFRESH_MS);
    }
  }

  /** Make the session longer, as far as the quota goes. */
  async extend(): Promise<void> {
    await this.act('extend', async () => this.take(await this.api.extendLease()));
  }

  /** Give the GPU back; the Hub ends this server. */
  async release(): Promise<void> {
    await this.act('release', async () => this.take(await this.api.releaseLease()));
  }

  /**
   * Have this server ended, so that the Hub can start it again.
   *
   * @returns whether it ends
   */
  async restart(): Promise<boolean> {
    await this.act('restart', async () => {
      const { restarting, code } = await this.end();
      if (!restarting) {
        throw new APIError(409, code ?? 'refused');
      }
    });
    return this.view.refusal === null;
  }

  /** A server that is ended may be gone before it has answered. */
  private async end(): Promise<Pick<IRestart, 'restarting' | 'code'>> {
    try {
      return await this.api.restartServer();
    } catch (error) {
      if (error instanceof APIError && error.code) {
        throw error;
      }
      return { restarting: true, code: null };
    }
  }

  override dispose(): void {
    super.dispose();
    clearTimeout(this.timer);
    this.page.removeEventListener('visibilitychange', this.plan);
  }

  private async act(pending: ILeaseError['asked'], action: () => Promise<void>): Promise<void> {
    this.update({ pending, refusal: null });
    try {
      await action();
    } catch (error) {
      const code = error instanceof APIError ? error.code : '';
      this.update({ refusal: { asked: pending, code } });
    } finally {
      this.update({ pending: null });
    }
  }

  private take(lease: ILease): void {
    const clockOffsetMs = 1000 * lease.now - Date.now();
    // The browser's clock does not jump; a delayed answer must not make the countdown do so.
    const isSame = Math.abs(clockOffsetMs - this.view.clockOffsetMs) < 2000 && this.view.lease;
    this.update({ lease, ...(!isSame && { clockOffsetMs }) });
    this.warn();
    this.plan();
  }

  /** Tell of what ends soon, each warning of an end once, and of several only the nearest. */
  private warn(): void {
    const { lease } = this.view;
    for (const end of this.ends()) {
      const leftMs = end.at - this.now();
      const due = end.warnings.filter(minutes => leftMs <= MINUTE_MS * minutes);
      const nearest = due.at(-1);
      if (!lease || leftMs <= 0 || nearest === undefined) {
        continue;
      }
      const isTold = this.isTold(end, nearest);
      due.forEach(minutes => this.told.set(`${end.name} ${minutes}`, end.at));
      if (!isTold) {
        this.hasWarned.emit({ lease, end: end.name, leftMs });
      }
    }
  }

  private isTold({ name, at }: IEnd, minutes: number): boolean {
    const told = this.told.get(`${name} ${minutes}`);
    // Ends are computed anew each time, and differ by seconds.
    return told !== undefined && Math.abs(told - at) < MINUTE_MS;
  }

  private readonly plan = (): void => this.planAfter(1000);

  /** Set the alarm for the next time that the lease is to be asked for. */
  private planAfter(shortestMs: number): void {
    clearTimeout(this.timer);
    const { lease } = this.view;
    if (this.isDisposed || this.page.visibilityState === 'hidden' || !lease?.managed) {
      return;
    }
    const now = this.now();
    const alarms = this.ends()
      .filter(end => end.at > now)
      .flatMap(end =>
        end.warnings
          .filter(minutes => !this.isTold(end, minutes))
          .map(minutes => end.at - MINUTE_MS * minutes - now)
      );
    const { limit_minutes: limit, ends_at: idleEnd } = lease.idle;
    if (limit !== null && idleEnd === null) {
      // It is in use: this is the earliest moment at which a warning could be due.
      alarms.push(...idleWarnings(limit).map(minutes => MINUTE_MS * (limit - minutes)));
    }
    const delayMs = Math.min(...alarms, this.watchers > 0 ? REFRESH_MS : Infinity);
    if (delayMs < MAX_TIMER_MS) {
      this.timer = setTimeout(() => void this.load(), Math.max(delayMs, shortestMs));
    }
  }

  private ends(): IEnd[] {
    const { lease } = this.view;
    const found: IEnd[] = [];
    if (lease && lease.ends_at !== null && lease.ends_because !== 'idle') {
      found.push({ name: 'session', at: 1000 * lease.ends_at, warnings: WARNINGS_MIN });
    }
    if (lease && lease.idle.ends_at !== null) {
      const warnings = idleWarnings(lease.idle.limit_minutes ?? Infinity);
      found.push({ name: 'idle', at: 1000 * lease.idle.ends_at, warnings });
    }
    return found;
  }

  /** The server's clock, in milliseconds. */
  private now(): number {
    return Date.now() + this.view.clockOffsetMs;
  }

  private readonly hasWarned = new Signal<Lease, ILeaseWarning>(this);
  /** By warning: the end that it was told of. */
  private readonly told = new Map<string, number>();
  private watchers = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
}

/** The warnings of a session that stays idle: one that has just become idle is not warned. */
function idleWarnings(limitMinutes: number): number[] {
  return WARNINGS_MIN.filter(minutes => 2 * minutes <= limitMinutes);
}
