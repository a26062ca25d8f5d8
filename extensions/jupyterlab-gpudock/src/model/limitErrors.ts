import type { ILimits, IUsage } from './contract';

/** A limit that code can reach without the end of its kernel. */
export type ReachedLimit = 'memory' | 'shm' | 'processes' | 'open_files';

/** A part of a limit from which an error that has other causes too counts as caused by it. */
const NEARLY_FULL = 0.8;

/** What errors say, and whether the limits have to agree because there are other causes. */
const SIGNS: readonly {
  readonly limit: ReachedLimit;
  readonly text: RegExp;
  readonly agrees?: (limits: ILimits) => boolean;
}[] = [
  {
    limit: 'shm',
    text: /shared memory ?\(shm\)|out of shared memory|is killed by signal: Bus error/
  },
  { limit: 'shm', text: /(\/torch_\d|\/dev\/shm|psm_)[^]*No space left on device/ },
  { limit: 'shm', text: /No space left on device[^]*\/dev\/shm/ },
  { limit: 'shm', text: /Error while creating shared memory segment/ },
  // A connection between processes that has no file left drops what it should pass on.
  { limit: 'open_files', text: /Too many open files(?! in system)|received 0 items of ancdata/ },
  { limit: 'processes', text: /can't start new thread/ },
  {
    limit: 'processes',
    text: /\[Errno 11\]|Resource temporarily unavailable/,
    agrees: ({ processes }) => isNearlyFull(processes)
  },
  { limit: 'memory', text: /^MemoryError|\[Errno 12\]/ },
  { limit: 'memory', text: /DefaultCPUAllocator: can't allocate memory/ },
  {
    limit: 'memory',
    text: /is killed by signal: Killed|exited unexpectedly|terminated abruptly|TerminatedWorkerError/,
    agrees: ({ memory_kills: kills }) => (kills ?? 0) > 0
  }
];

/** Return whether an error may be caused by a limit; then its limits decide. */
export function mayBeLimit(error: string): boolean {
  return SIGNS.some(({ text }) => text.test(error));
}

/**
 * Return the limit that caused an error; null if none did.
 *
 * @param error - name and message, as Python shows them
 * @param limits - the limits right after the error
 */
export function limitOfError(error: string, limits: ILimits): ReachedLimit | null {
  const sign = SIGNS.find(({ text, agrees }) => text.test(error) && (agrees?.(limits) ?? true));
  return sign?.limit ?? null;
}

function isNearlyFull({ limit, used }: IUsage): boolean {
  return limit !== null && used !== null && used >= NEARLY_FULL * limit;
}
