import type { ICheck, IOwner, IProcess } from './contract';

/** What a person can do from the panel. */
export interface IActions {
  /** Whether there is something to open: a notebook, a console or a terminal. */
  readonly canOpen: (owner: IOwner) => boolean;
  readonly open: (owner: IOwner) => void;
  /** Shut down the kernel of a process, after a question. */
  readonly shutDown: (process: IProcess) => void;
  readonly askKernel: () => void;
  readonly releaseMemory: () => void;
  readonly chooseKernel: (name: string) => void;
  readonly refreshStack: () => void;
  readonly reconnect: () => void;
  readonly runCheck: (gpu: string) => void;
  readonly cancelCheck: (check: ICheck) => void;
  readonly extendLease: () => void;
  /** Give the GPU back, after a question. */
  readonly releaseLease: () => void;
  /** Restart the server, after a question. */
  readonly restartServer: () => void;
}
