import type { TranslationBundle } from '@jupyterlab/translation';

import type { ILimits, IUsage } from '../model/contract';
import type { IIncident } from '../model/kernelWatch';
import { formatSize, type IDisplay, type IDisplayValue, percentOf, plain } from './format';

/** JupyterLab cuts notifications after 140 characters. */
const MAX_TITLE = 40;

/** Return in one short sentence what happened, and which limit it was. */
export function incidentMessage(incident: IIncident, display: IDisplay): string {
  const { trans } = display;
  const { cause, ended, limits } = incident;
  const title = shorten(incident.title);
  switch (cause) {
    case 'memory':
      return memoryMessage(title, ended, sizeLimit(limits.memory_mib, display), trans);
    case 'host_memory':
      return trans.__('The kernel of %1 was ended: the machine has run out of memory.', title);
    case 'shm': {
      const size = sizeLimit(limits.shm_mib, display) || trans.__('unknown');
      return ended
        ? trans.__(
            'The kernel of %1 was ended by a bus error: /dev/shm (size: %2) was probably full.',
            title,
            size
          )
        : trans.__('Code in %1 failed: /dev/shm (size: %2) was full.', title, size);
    }
    case 'processes': {
      const count = formatCount(limits.processes.limit, trans);
      return ended
        ? trans.__(
            'The kernel of %1 ended: this server has reached its limit of processes and threads, %2.',
            title,
            count
          )
        : trans.__(
            'Code in %1 failed: this server has reached its limit of processes and threads, %2.',
            title,
            count
          );
    }
    case 'open_files':
      return trans.__(
        'Code in %1 failed: the kernel has reached its limit of open files, %2.',
        title,
        formatCount(limits.open_files.limit, trans)
      );
    case 'signal':
      return trans.__(
        'The kernel of %1 crashed (%2). It did not reach a limit of this server.',
        title,
        incident.signal ?? trans.__('unknown')
      );
    case 'exit':
      return incident.exitCode === null
        ? trans.__('The kernel of %1 ended. The reason is unknown.', title)
        : trans.__(
            'The kernel of %1 exited with code %2. It did not reach a limit of this server.',
            title,
            incident.exitCode
          );
  }
}

function memoryMessage(
  title: string,
  ended: boolean,
  size: string,
  trans: TranslationBundle
): string {
  if (ended) {
    return size
      ? trans.__(
          'The kernel of %1 was ended: this server has reached its memory limit, %2.',
          title,
          size
        )
      : trans.__('The kernel of %1 was ended: the machine has run out of memory.', title);
  }
  return size
    ? trans.__('Code in %1 failed: not enough memory. The limit of this server is %2.', title, size)
    : trans.__('Code in %1 failed: not enough memory.', title);
}

/** Return what is used of the limit, and how to live with it, one paragraph each. */
export function incidentAdvice(incident: IIncident, display: IDisplay): string[] {
  const { trans } = display;
  const { cause, limits } = incident;
  const sizes = (usage: IUsage): string => formatUsage(usage, display).text;
  const counts = (usage: IUsage): string => formatCounts(usage, trans).text;
  switch (cause) {
    case 'memory':
      return [
        trans.__(
          'In use now: %1, of which %2 in /dev/shm.',
          sizes(limits.memory_mib),
          size(limits.shm_mib.used, display)
        ),
        trans.__(
          'All kernels and terminals of this server share its memory. Use smaller batches, fewer DataLoader workers (num_workers), load data in parts, and shut down kernels that you do not need.'
        ),
        trans.__('If that is not enough, ask the administrator for more memory.')
      ];
    case 'host_memory':
      return [
        trans.__('In use now on the whole machine: %1.', sizes(limits.host_memory_mib)),
        trans.__(
          'All users of the machine share its memory. Use smaller batches and fewer DataLoader workers (num_workers), and report this to the administrator, who can limit the memory of each server.'
        )
      ];
    case 'shm':
      return [
        trans.__('In use now: %1.', sizes(limits.shm_mib)),
        trans.__(
          'DataLoader workers pass batches through /dev/shm. Use fewer workers (num_workers), a smaller prefetch_factor or smaller batches; num_workers=0 does without it. Shut down other kernels that use it.'
        ),
        trans.__('If that is not enough, ask the administrator for a larger /dev/shm.')
      ];
    case 'processes':
      return [
        trans.__('In use now: %1.', counts(limits.processes)),
        trans.__(
          'Use fewer DataLoader workers (num_workers) and fewer threads, for example with torch.set_num_threads(4), and shut down kernels and terminals that you do not need.'
        ),
        trans.__('If that is not enough, ask the administrator for a higher limit.')
      ];
    case 'open_files':
      return [
        trans.__('In use now: %1.', counts(limits.open_files)),
        trans.__(
          'With PyTorch, call torch.multiprocessing.set_sharing_strategy("file_system") before you create a DataLoader: then its workers do not keep a file open for each tensor. Close files that you no longer need.'
        ),
        trans.__('If that is not enough, ask the administrator for a higher limit.')
      ];
    case 'signal':
    case 'exit':
      return [
        trans.__(
          'The cause is in the code or in one of its libraries. The last lines of the output, or of the log of this server, may show it. Installed packages that do not fit together are a frequent reason.'
        )
      ];
  }
}

/** Format what is used of a size. */
export function formatUsage({ used, limit }: IUsage, display: IDisplay): IDisplayValue {
  const { trans, preferences } = display;
  if (limit === null) {
    return plain(size(used, display));
  }
  const text = trans.__('%1 of %2', size(used, display), formatSize(limit, display));
  const percent = used === null ? 0 : (percentOf(used, limit) ?? 0);
  if (percent >= preferences.memoryFullPercent) {
    return { text, level: 'alarm', word: trans.__('nearly full') };
  }
  if (percent >= preferences.memoryFillingPercent) {
    return { text, level: 'notice', word: trans.__('filling up') };
  }
  return plain(text);
}

/** Format what is used of a number of things. */
export function formatCounts({ used, limit }: IUsage, trans: TranslationBundle): IDisplayValue {
  const text =
    limit === null
      ? formatCount(used, trans)
      : trans.__('%1 of %2', formatCount(used, trans), formatCount(limit, trans));
  return plain(text);
}

/** Format how many programs were ended because the memory of the server ran out. */
export function formatKills(kills: number, trans: TranslationBundle): IDisplayValue {
  return { text: trans._n('%1 program', '%1 programs', kills), level: 'notice', word: '' };
}

/** Format how many threads a library starts; more than there are processors only wait. */
export function formatThreads(
  threads: number,
  cpus: number | null,
  trans: TranslationBundle
): IDisplayValue {
  return cpus !== null && threads > Math.ceil(cpus)
    ? { text: String(threads), level: 'notice', word: trans.__('more than processors') }
    : plain(String(threads));
}

/** Return whether there is anything to show. */
export function hasLimits({ memory_mib: memory, shm_mib: shm, processes, cpus }: ILimits): boolean {
  return [memory.used, shm.limit, processes.limit, cpus].some(value => value !== null);
}

/** Format a number of things; null is unknown. */
export function formatCount(count: number | null, trans: TranslationBundle): string {
  return count === null ? trans.__('unknown') : String(count);
}

function size(mebibytes: number | null, display: IDisplay): string {
  return mebibytes === null ? display.trans.__('unknown') : formatSize(mebibytes, display);
}

/** Return a limit of a size; empty if there is none. */
function sizeLimit({ limit }: IUsage, display: IDisplay): string {
  return limit === null ? '' : formatSize(limit, display);
}

function shorten(title: string): string {
  return title.length > MAX_TITLE ? title.slice(0, MAX_TITLE - 1) + '…' : title;
}
