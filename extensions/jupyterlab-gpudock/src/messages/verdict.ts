import type { TranslationBundle } from '@jupyterlab/translation';

import type { IFinding } from '../model/contract';
import { simulatedMessage } from './gpu';
import type { IMessage } from './message';

/** Findings that come with the output of a program. */
const WITH_OUTPUT = ['interrupted', 'failed', 'python_broken', 'torch_broken'];

/** Return the message for a finding; one that only a newer server knows is quoted. */
export function findingMessage(finding: IFinding, trans: TranslationBundle): IMessage {
  const { code, parameters, message } = finding;
  const text = findingText(finding, trans);
  if (text === null) {
    return { text: trans.__('Unknown.'), quote: message };
  }
  return { text, quote: WITH_OUTPUT.includes(code) ? (parameters['detail'] ?? '') : '' };
}

function findingText({ code, parameters }: IFinding, trans: TranslationBundle): string | null {
  const value = (name: string): string => parameters[name] ?? '';
  switch (code) {
    case 'usable':
      return trans.__('Usable: torch computes on the GPU, with cuDNN.');
    case 'usable_without_cudnn':
      return trans.__(
        'Usable, but torch finds no cuDNN: convolutions are slow. Install a torch build that includes cuDNN.'
      );
    case 'no_driver':
    case 'no_gpu':
      return trans.__('Not usable: this server has no GPU.');
    case 'simulated':
      return simulatedMessage(trans);
    case 'version_mismatch':
      return trans.__('Not usable until the machine is restarted: its driver was updated.');
    case 'lost':
      return trans.__('Not usable: the GPU is lost.');
    case 'hanging':
      return trans.__('Not usable at the moment: the GPU is not responding.');
    case 'interrupted':
    case 'failed':
      return trans.__('Not usable: the GPU cannot be read.');
    case 'torch_missing':
      return trans.__('Not usable with torch: it is not installed in this environment.');
    case 'torch_broken':
      return trans.__('Not usable: torch is installed but does not load.');
    case 'torch_cpu_only':
      return trans.__(
        'Not usable: this torch is built for the CPU only. Install a torch that is built for CUDA.'
      );
    case 'driver_too_old':
      return trans.__(
        'Not usable: CUDA %1 needs driver %2 or newer, but the driver is %3. Install a torch that is built for an older CUDA, or ask the administrator for a newer driver.',
        value('cuda'),
        value('needed'),
        value('driver')
      );
    case 'arch_missing':
      return trans.__(
        'Not usable: this torch has no code for GPUs of compute capability %1. Install a newer torch, or one that is built for this GPU.',
        value('capability')
      );
    case 'cudnn_mismatch':
      return trans.__(
        'Not usable: torch was built with cuDNN %1, but cuDNN %2 is loaded. Check whether LD_LIBRARY_PATH points to another cuDNN, or reinstall torch.',
        value('built'),
        value('loaded')
      );
    case 'ptx_only':
      return trans.__(
        'This torch has no machine code for compute capability %1: the driver compiles it on first use, which is slow.',
        value('capability')
      );
    case 'minor_compatibility':
      return trans.__(
        'CUDA %1 was released with driver %2. The older driver %3 can run it, except for code that the driver has to compile.',
        value('cuda'),
        value('needed'),
        value('driver')
      );
    case 'forward_compatibility':
      return trans.__(
        "Driver %1 is older than the version that CUDA %2 requires (%3). It works through NVIDIA's forward compatibility package.",
        value('driver'),
        value('cuda'),
        value('needed')
      );
    case 'cudnn_newer':
      return trans.__(
        'cuDNN %1 is loaded. torch was built with the older %2, which is fine.',
        value('loaded'),
        value('built')
      );
    case 'cuda_unavailable':
      return trans.__(
        'Not usable: the GPU and the driver work, but torch cannot initialize CUDA. Run torch.cuda.init() in a notebook to see the error, and check whether CUDA_VISIBLE_DEVICES hides the GPU.'
      );
    case 'no_python':
      return trans.__('Unknown: this kernel is not a plain Python kernel.');
    case 'python_missing':
      return trans.__("Not usable: this kernel's Python no longer exists.");
    case 'python_broken':
      return trans.__("Not usable: this kernel's Python does not start.");
    case 'probe_timeout':
      return trans.__(
        'Unknown: the environment did not respond in time. The machine may be busy. Check again.'
      );
    default:
      return null;
  }
}
