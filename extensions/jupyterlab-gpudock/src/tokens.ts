import { Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';

import type { ILease, ISnapshot, IStack } from './api';
import type { UseHistory } from './history';

/** What stands between this page and the readings of the server. */
export type Trouble =
  | 'unreachable' /** the server does not answer */
  | 'forbidden' /** the server wants a new sign-in */
  | 'missing'; /** the server has no such extension running */

/** All that there is to show, at one moment. A new object for each change. */
export interface IGPUView {
  /** The newest reading; it stays while the connection is away. */
  readonly snapshot: ISnapshot | null;
  /** When the newest reading was taken, in milliseconds of this page's clock. */
  readonly takenAt: number;
  /** Whether the server itself gets no answer from NVML. */
  readonly stale: boolean;
  /** Why there are no readings now; null while the stream is alive or being opened. */
  readonly trouble: Trouble | null;
  readonly history: UseHistory;
  readonly lease: ILease | null;
  readonly stack: IStack | null;
  readonly stackStatus: 'loading' | 'ready' | 'failed';
}

/** The GPUs of this server, shared by all parts of the page that show them. */
export interface IGPUModel {
  /** Emitted whenever `view` is another one. */
  readonly changed: ISignal<IGPUModel, void>;
  readonly view: IGPUView;
  /**
   * Keep readings coming for as long as the result is not disposed of.
   * The server reads its GPUs only while some page does so and is visible.
   */
  watch(): IDisposable;
  /** Show the stack of this kernel from now on; the server's default kernel until then. */
  setKernel(name: string): void;
  /** Ask the kernel's environment again for its versions. */
  refreshStack(): Promise<void>;
  /** Try at once to reach the server again. */
  reconnect(): void;
}

export const IGPUModel = new Token<IGPUModel>(
  'jupyterlab-gpudock:IGPUModel',
  'The GPUs of this server, live, and the stack above them.'
);
