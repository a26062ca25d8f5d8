import { Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';

import type { ICheck, IEnvironments, ISnapshotFrame, IStack } from './contract';
import type { GPUHistory } from './history';
import type { Settings } from './settings';
import type { IObservable } from './store';

/** What stands between this page and the readings of the server. */
export type ConnectionProblem =
  | 'unreachable' /** the server does not answer */
  | 'forbidden' /** the server wants a new sign-in */
  | 'missing'; /** the server has no such extension running */

/** All that there is to show of the GPUs, at one moment. A new object for each change. */
export interface IGPUView {
  /** The newest reading; it stays while the connection is away. */
  readonly snapshot: ISnapshotFrame | null;
  /** When the newest reading was taken, in milliseconds of this page's clock. */
  readonly takenAt: number;
  /** Whether the server itself gets no answer from NVML. */
  readonly stale: boolean;
  /** Why there are no readings now; null while the stream is alive or being opened. */
  readonly problem: ConnectionProblem | null;
  readonly history: GPUHistory;
  /** The kernels of this server; null until they are known. */
  readonly environments: IEnvironments | null;
  readonly stack: IStack | null;
  readonly stackStatus: 'loading' | 'ready' | 'failed';
}

/** The GPUs of this server, shared by all parts of the page that show them. */
export interface IGPUModel extends IObservable<IGPUView> {
  /** Emitted when the server tells of a check that began, went on or ended. */
  readonly checkChanged: ISignal<IGPUModel, ICheck>;
  /**
   * Keep readings coming for as long as the result is not disposed of.
   * The server reads its GPUs only while some page does so and is visible.
   *
   * @param intervalS - wished seconds between readings; null leaves it to the server
   */
  watch(intervalS?: number | null): IDisposable;
  /** Take one reading, unless readings come anyway. Does nothing while the page is hidden. */
  readOnce(): Promise<void>;
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

export const IGPUSettings = new Token<Settings>(
  'jupyterlab-gpudock:IGPUSettings',
  'What a person prefers about the GPU panel.'
);
