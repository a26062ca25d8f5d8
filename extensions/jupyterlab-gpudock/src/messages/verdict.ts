import type { TranslationBundle } from '@jupyterlab/translation';

import type { IFinding } from '../model/contract';

const KNOWN = new Set([
  'usable',
  'usable_without_cudnn',
  'no_driver',
  'no_gpu',
  'version_mismatch',
  'lost',
  'hanging',
  'failed',
  'torch_missing',
  'torch_broken',
  'torch_cpu_only',
  'driver_too_old',
  'arch_missing',
  'cudnn_mismatch',
  'ptx_only',
  'minor_compatibility',
  'forward_compatibility',
  'cudnn_newer',
  'cuda_unavailable',
  'no_python',
  'python_missing',
  'python_broken',
  'probe_timeout'
]);

/** What a finding says in the words of torch or Python; empty where it says all itself. */
export function findingQuote({ code, parameters, message }: IFinding): string {
  switch (code) {
    case 'torch_broken':
    case 'python_broken':
    case 'failed':
      return parameters['detail'] ?? '';
    default:
      return KNOWN.has(code) ? '' : message;
  }
}

/** A finding on a stack, in words; of a code that only a newer server knows, that there is one. */
export function findingMessage(finding: IFinding, trans: TranslationBundle): string {
  const { code, parameters } = finding;
  const given = (name: string): string => parameters[name] ?? '';
  switch (code) {
    case 'usable':
      return trans.__('Usable: torch computes on the GPU, with cuDNN.');
    case 'usable_without_cudnn':
      return trans.__(
        'Usable, but torch finds no cuDNN: convolutions are slow. Install a torch that brings cuDNN.'
      );
    case 'no_driver':
    case 'no_gpu':
      return trans.__('Not usable: this server has no GPU.');
    case 'version_mismatch':
      return trans.__('Not usable until the machine is restarted: its driver was updated.');
    case 'lost':
      return trans.__('Not usable: the GPU is lost.');
    case 'hanging':
      return trans.__('Not usable now: the GPU does not answer.');
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
        'Not usable: torch’s CUDA %1 needs driver %2 or newer, and this one is %3. Install a torch for an older CUDA, or ask for a newer driver.',
        given('cuda'),
        given('needed'),
        given('driver')
      );
    case 'arch_missing':
      return trans.__(
        'Not usable: this torch has no code for GPUs of compute capability %1. Install a newer torch, or one that is built for this GPU.',
        given('capability')
      );
    case 'cudnn_mismatch':
      return trans.__(
        'Not usable: torch was built with cuDNN %1, and cuDNN %2 is loaded. See whether LD_LIBRARY_PATH leads to another cuDNN, or reinstall torch.',
        given('built'),
        given('loaded')
      );
    case 'ptx_only':
      return trans.__(
        'This torch has no machine code for compute capability %1: the driver translates it at the first use, which is slow.',
        given('capability')
      );
    case 'minor_compatibility':
      return trans.__(
        'CUDA %1 came with driver %2. The older %3 runs it, but not code that it would have to translate.',
        given('cuda'),
        given('needed'),
        given('driver')
      );
    case 'forward_compatibility':
      return trans.__(
        'Driver %1 is older than CUDA %2 asks for (%3). It works through NVIDIA’s forward-compatibility package.',
        given('driver'),
        given('cuda'),
        given('needed')
      );
    case 'cudnn_newer':
      return trans.__(
        'cuDNN %1 is loaded; torch was built with the older %2, which is fine.',
        given('loaded'),
        given('built')
      );
    case 'cuda_unavailable':
      return trans.__(
        'Not usable: GPU and driver are fine, but torch cannot open CUDA. See what torch.cuda.init() says in a notebook, and whether CUDA_VISIBLE_DEVICES hides the GPU.'
      );
    case 'no_python':
      return trans.__('Not known: this kernel is not a plain Python kernel.');
    case 'python_missing':
      return trans.__('Not usable: the Python of this kernel is not there any more.');
    case 'python_broken':
      return trans.__('Not usable: the Python of this kernel does not start.');
    case 'probe_timeout':
      return trans.__(
        'Not known: the environment did not answer in time. The machine may be busy; check again.'
      );
    default:
      return trans.__('Not known.');
  }
}
