import type { TranslationBundle } from '@jupyterlab/translation';

import type { IRelease } from '../model/contract';
import type { IKernelView } from '../model/kernel';
import { formatSize, type IDisplay } from './format';
import { type IMessage, message } from './message';

/** Return what is known about the active kernel. */
export function kernelMessage({ status, state }: IKernelView, trans: TranslationBundle): string {
  switch (status) {
    case 'none':
      return trans.__(
        'Open a notebook or a console with a Python kernel to see how its torch uses the GPU. This does not disturb running code.'
      );
    case 'unsupported':
      return trans.__('This is not a Python kernel, so its state cannot be read.');
    case 'waiting':
      return trans.__('Waiting for the kernel…');
    case 'busy':
      return state
        ? trans.__('The kernel is busy. This is its last known state:')
        : trans.__('The kernel is busy. Its state is read when it is idle.');
    case 'failed':
      return trans.__('The kernel did not respond. It may have restarted. Refresh to try again.');
    case 'known':
      if (!state?.torch_loaded) {
        return trans.__('torch is not loaded in this kernel.');
      }
      return state.cuda_initialized === false
        ? trans.__('torch is loaded, but has not used a GPU yet.')
        : trans.__('torch is loaded.');
  }
}

/** Return how much memory a kernel has released. */
export function releaseMessage(released: IRelease, display: IDisplay): IMessage {
  const { trans } = display;
  switch (released.reason) {
    case 'released':
      return message(
        released.freed_mib > 0
          ? trans.__('%1 released.', formatSize(released.freed_mib, display))
          : trans.__('There was no cached memory to release: tensors use all of it.')
      );
    case 'torch_not_loaded':
      return message(trans.__('torch is not loaded in this kernel.'));
    case 'cuda_not_used':
      return message(
        trans.__('torch has not used a GPU in this kernel: there is nothing to release.')
      );
    case 'failed':
      return {
        text: trans.__('The memory could not be released.'),
        quote: released.errors.join(' ')
      };
  }
}
