// Generated from jupyterlab_gpudock/kernel/findings.py. Do not edit.
// To renew it, run `make generate` in the root of the repository.
import type { TranslationBundle } from '@jupyterlab/translation';

/** What a finding means, and what to do about it; an empty advice means nothing. */
export interface IFindingText {
  readonly title: string;
  readonly advice: string;
}

/** Return the texts for a finding; null for one that only a newer server knows. */
export function findingText(
  id: string,
  parameters: Readonly<Record<string, string>>,
  trans: TranslationBundle
): IFindingText | null {
  const value = (name: string): string => parameters[name] ?? '';
  switch (id) {
    case 'usable':
      return {
        title: trans.__('Usable: torch computes on the GPU, with cuDNN.'),
        advice: ''
      };
    case 'usable_without_cudnn':
      return {
        title: trans.__('Usable, but torch finds no cuDNN: convolutions are slow.'),
        advice: trans.__('Install a torch build that includes cuDNN.')
      };
    case 'no_driver':
      return {
        title: trans.__('Not usable: this server has no GPU.'),
        advice: trans.__(
          'No NVIDIA driver works here. If there is a GPU, install the driver, and start a container with access to the GPU.'
        )
      };
    case 'no_gpu':
      return {
        title: trans.__('Not usable: this server has no GPU.'),
        advice: trans.__(
          'The NVIDIA driver works, but shows no GPU. Start a container with access to a GPU.'
        )
      };
    case 'no_gpu_given':
      return {
        title: trans.__('Not usable: this container was started without a GPU.'),
        advice: trans.__(
          'In a lab, stop this server on My GPUs (File → Hub Control Panel), and choose a GPU when you start it again. Elsewhere, start the container with a GPU, for example with --gpus all.'
        )
      };
    case 'gpu_not_visible':
      return {
        title: trans.__(
          'Not usable: a GPU is reserved for this server, but its container does not see it.'
        ),
        advice: trans.__('Restart this server. If that does not help, contact the administrator.')
      };
    case 'gpu_not_passed':
      return {
        title: trans.__(
          'Not usable: NVIDIA_VISIBLE_DEVICES=%1 asks for GPUs, but this container got none.',
          value('requested')
        ),
        advice: trans.__(
          "Start the container with NVIDIA's runtime or a CDI device. On the host, check whether the NVIDIA Container Toolkit is installed."
        )
      };
    case 'driver_library_missing':
      return {
        title: trans.__(
          "Not usable: the GPU is in this container, but the driver's libraries are missing."
        ),
        advice: trans.__(
          'Start the container through the NVIDIA Container Toolkit, with NVIDIA_DRIVER_CAPABILITIES=compute,utility.'
        )
      };
    case 'libcuda_missing':
      return {
        title: trans.__(
          "Not usable: the GPU can be read, but CUDA's part of the driver (libcuda.so.1) is missing."
        ),
        advice: trans.__('Start the container with NVIDIA_DRIVER_CAPABILITIES=compute,utility.')
      };
    case 'uvm_missing':
      return {
        title: trans.__(
          'Not usable: the device /dev/nvidia-uvm is missing, and CUDA does not start without it.'
        ),
        advice: trans.__(
          'Ask the administrator to run "nvidia-modprobe -u -c=0" on the host, then restart this server.'
        )
      };
    case 'simulated':
      return {
        title: trans.__(
          'This GPU is simulated: it has readings, but it cannot compute, so torch finds no CUDA device and there is nothing to measure. Everything else works as with a real GPU.'
        ),
        advice: ''
      };
    case 'version_mismatch':
      return {
        title: trans.__('Not usable until the machine is restarted: its driver was updated.'),
        advice: trans.__('Save your work, then contact the administrator.')
      };
    case 'lost':
      return {
        title: trans.__('Not usable: the GPU is lost.'),
        advice: trans.__('Restart this server. If that does not help, contact the administrator.')
      };
    case 'hanging':
      return {
        title: trans.__('Not usable at the moment: the GPU is not responding.'),
        advice: trans.__(
          'It may only be busy. If this persists, save your work and contact the administrator.'
        )
      };
    case 'interrupted':
      return {
        title: trans.__('Not usable: the GPU cannot be read.'),
        advice: trans.__('If this persists, show the message to the administrator.')
      };
    case 'failed':
      return {
        title: trans.__('Not usable: the GPU cannot be read.'),
        advice: trans.__('If this persists, show the message to the administrator.')
      };
    case 'mig_without_slices':
      return {
        title: trans.__('Not usable: the GPU is in MIG mode and has no slices.'),
        advice: trans.__('Ask the administrator to create slices, or to turn MIG mode off.')
      };
    case 'no_python':
      return {
        title: trans.__('Unknown: this kernel is not a plain Python kernel.'),
        advice: ''
      };
    case 'python_missing':
      return {
        title: trans.__("Not usable: this kernel's Python no longer exists."),
        advice: trans.__('Choose another kernel or Python.')
      };
    case 'python_broken':
      return {
        title: trans.__("Not usable: this kernel's Python does not start."),
        advice: trans.__('Repair its environment, or choose another one.')
      };
    case 'probe_timeout':
      return {
        title: trans.__('Unknown: the environment did not respond in time.'),
        advice: trans.__('The machine may be busy. Check again.')
      };
    case 'torch_missing':
      return {
        title: trans.__('Not usable with torch: it is not installed in this environment.'),
        advice: trans.__('Install torch, or choose another environment.')
      };
    case 'torch_broken':
      return {
        title: trans.__('Not usable: torch is installed but does not load.'),
        advice: trans.__('Reinstall torch.')
      };
    case 'torch_crashed':
      return {
        title: trans.__('Not usable: torch crashes Python with %1.', value('signal')),
        advice: trans.__(
          'Reinstall torch, and check whether LD_LIBRARY_PATH or LD_PRELOAD adds other libraries.'
        )
      };
    case 'torch_cpu_only':
      return {
        title: trans.__('Not usable: this torch is built for the CPU only.'),
        advice: trans.__('Install a torch that is built for CUDA.')
      };
    case 'torch_cpu_only_user_package':
      return {
        title: trans.__(
          'Not usable: torch %1 is built for the CPU only. It was installed to %2, and hides torch %3.',
          value('torch'),
          value('folder'),
          value('hidden')
        ),
        advice: trans.__('Run "python -m pip uninstall torch" to return to the other one.')
      };
    case 'torch_user_package':
      return {
        title: trans.__(
          'torch %1 was installed to %2, and hides torch %3.',
          value('torch'),
          value('folder'),
          value('hidden')
        ),
        advice: trans.__('Run "python -m pip uninstall torch" to return to the other one.')
      };
    case 'driver_too_old':
      return {
        title: trans.__(
          'Not usable: CUDA %1 needs driver %2 or newer, but the driver is %3.',
          value('cuda'),
          value('needed'),
          value('driver')
        ),
        advice: trans.__(
          'Install a torch that is built for an older CUDA, or ask the administrator for a newer driver.'
        )
      };
    case 'arch_missing':
      return {
        title: trans.__(
          'Not usable: this torch has no code for GPUs of compute capability %1.',
          value('capability')
        ),
        advice: trans.__('Install a newer torch, or one that is built for this GPU.')
      };
    case 'gpu_too_new':
      return {
        title: trans.__(
          'Not usable: the GPU is too new for this torch, which has no code for compute capability %1.',
          value('capability')
        ),
        advice: trans.__('Install a newer torch, or one that is built for a newer CUDA.')
      };
    case 'gpu_too_old':
      return {
        title: trans.__(
          'Not usable: the GPU is too old for this torch, which has no code for compute capability %1.',
          value('capability')
        ),
        advice: trans.__('Install an older torch, or one that is built for an older CUDA.')
      };
    case 'devices_hidden':
      return {
        title: trans.__(
          'Not usable: CUDA_VISIBLE_DEVICES is "%1", which hides every GPU.',
          value('visible')
        ),
        advice: trans.__('Remove this variable, or set it to a GPU that exists, for example 0.')
      };
    case 'cuda_unavailable':
      return {
        title: trans.__(
          'Not usable: the GPU and the driver work, but torch cannot initialize CUDA.'
        ),
        advice: trans.__(
          'Check whether CUDA_VISIBLE_DEVICES hides the GPU, and whether LD_LIBRARY_PATH adds another libcuda.so.1.'
        )
      };
    case 'compute_failed':
      return {
        title: trans.__('Not usable: torch finds the GPU, but a small computation on it fails.'),
        advice: trans.__(
          'Restart the kernels and programs that use the GPU. If this persists, show the message to the administrator.'
        )
      };
    case 'ptx_only':
      return {
        title: trans.__(
          'This torch has no machine code for compute capability %1: the driver compiles it on first use, which is slow.',
          value('capability')
        ),
        advice: ''
      };
    case 'minor_compatibility':
      return {
        title: trans.__(
          'CUDA %1 was released with driver %2. The older driver %3 can run it, except for code that the driver has to compile.',
          value('cuda'),
          value('needed'),
          value('driver')
        ),
        advice: ''
      };
    case 'forward_compatibility':
      return {
        title: trans.__(
          "Driver %1 is older than the version that CUDA %2 requires (%3). It works through NVIDIA's forward compatibility package.",
          value('driver'),
          value('cuda'),
          value('needed')
        ),
        advice: ''
      };
    case 'nvcc_missing':
      return {
        title: trans.__(
          'The CUDA toolkit (nvcc) is not installed. torch does not need it, except to compile CUDA extensions.'
        ),
        advice: ''
      };
    case 'cudnn_mismatch':
      return {
        title: trans.__(
          'Not usable: torch was built with cuDNN %1, but cuDNN %2 is loaded.',
          value('built'),
          value('loaded')
        ),
        advice: trans.__(
          'Check whether LD_LIBRARY_PATH points to another cuDNN, or reinstall torch.'
        )
      };
    case 'cudnn_newer':
      return {
        title: trans.__(
          'cuDNN %1 is loaded. torch was built with the older %2, which is fine.',
          value('loaded'),
          value('built')
        ),
        advice: ''
      };
    case 'cudnn_library_path':
      return {
        title: trans.__(
          'torch uses the cuDNN in %1 instead of its own, because LD_LIBRARY_PATH names it.',
          value('path')
        ),
        advice: trans.__('Remove that folder from LD_LIBRARY_PATH.')
      };
    case 'cudnn_user_package':
      return {
        title: trans.__(
          'torch uses the cuDNN in %1, which was installed there, instead of its own.',
          value('path')
        ),
        advice: trans.__('Uninstall the packages nvidia-cudnn-cu… from there.')
      };
    case 'cudnn_elsewhere':
      return {
        title: trans.__('torch uses the cuDNN in %1 instead of its own.', value('path')),
        advice: trans.__('Check LD_PRELOAD and the other libraries of this environment.')
      };
    default:
      return null;
  }
}
