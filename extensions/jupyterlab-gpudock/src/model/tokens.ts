import { Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';

import type { ICheck, IEnvironments, ISnapshotFrame, IStack } from './contract';
import type { Ending } from './ending';
import type { GPUHistory } from './history';
import type { Settings } from './settings';
import type { IObservable } from './store';

/** Why there are no readings from the server. */
export type ConnectionProblem =
  | 'unreachable' /** the server does not respond */
  | 'forbidden' /** the user has to sign in again */
  | 'missing'; /** the server extension is not running */

/** Everything there is to show about the GPUs. Each change makes a new object. */
export interface IGPUView {
  /** The newest reading; it stays while the connection is lost. */
  readonly snapshot: ISnapshotFrame | null;
  /** When the newest reading was taken, in milliseconds of this page's clock. */
  readonly takenAt: number;
  /** Whether NVML does not respond to the server. */
  readonly stale: boolean;
  /** Why there are no readings now; null while the stream is open or being opened. */
  readonly problem: ConnectionProblem | null;
  readonly history: GPUHistory;
  /** The kernels of this server; null until they are loaded. */
  readonly environments: IEnvironments | null;
  readonly stack: IStack | null;
  readonly stackStatus: 'loading' | 'ready' | 'failed';
}

/** The GPUs of this server, shared by everything on the page that shows them. */
export interface IGPUModel extends IObservable<IGPUView> {
  /** Emitted when a check was started, made progress or ended. */
  readonly checkChanged: ISignal<IGPUModel, ICheck>;
  /**
   * Keep readings coming until the result is disposed.
   * The server reads its GPUs only while a visible page asks for it.
   *
   * @param intervalS - requested seconds between readings; null leaves it to the server
   */
  watch(intervalS?: number | null): IDisposable;
  /** Take one reading, unless readings come anyway or the page is hidden. */
  readOnce(): Promise<void>;
  /** Show the stack of this kernel from now on; the server's default kernel until then. */
  setKernel(name: string): void;
  /** Read the versions in the kernel's environment again. */
  refreshStack(): Promise<void>;
  /** Try to reach the server now. */
  reconnect(): void;
}

export const IGPUModel = new Token<IGPUModel>(
  'jupyterlab-gpudock:IGPUModel',
  'The GPUs of this server, live, and the software stack that uses them.'
);

export const IServerEnding = new Token<Ending>(
  'jupyterlab-gpudock:IServerEnding',
  'Whether the user has asked for the end of this server.'
);

export const IGPUSettings = new Token<Settings>(
  'jupyterlab-gpudock:IGPUSettings',
  'The settings of the GPU panel.'
);
