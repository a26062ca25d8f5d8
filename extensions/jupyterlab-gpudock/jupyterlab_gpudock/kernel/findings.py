"""The findings about GPUs and environments: what each means, and what to do about it.

The one table behind the panel's "Software stack" card, the REST interface and ``gpudock-env``. The
panel's texts, ``src/messages/findings.ts``, are generated from it (``make generate``), and
translated there.
"""

from __future__ import annotations

from typing import NamedTuple


class FindingText(NamedTuple):
    """One row of the table. ``{name}`` in a sentence is a parameter of the finding."""

    title: str
    """What the finding means, in one sentence."""
    advice: str = ""
    """What to do about it; empty when there is nothing to do."""
    code: str = ""
    """The wider code that the REST interface has for it; empty when it is the row's own ID."""


_NO_GPU = "Not usable: this server has no GPU."
_ASK_RESTART = "Restart this server. If that does not help, contact the administrator."
_SHOW_ADMIN = "If this persists, show the message to the administrator."
_REMOVE_TORCH = 'Run "python -m pip uninstall torch" to return to the other one.'

FINDINGS: dict[str, FindingText] = {
    "usable": FindingText("Usable: torch computes on the GPU, with cuDNN."),
    "usable_without_cudnn": FindingText(
        "Usable, but torch finds no cuDNN: convolutions are slow.",
        "Install a torch build that includes cuDNN.",
    ),
    # -- GPU and driver
    "no_driver": FindingText(
        _NO_GPU,
        "No NVIDIA driver works here. If there is a GPU, install the driver, and start a container "
        "with access to the GPU.",
    ),
    "no_gpu": FindingText(
        _NO_GPU,
        "The NVIDIA driver works, but shows no GPU. Start a container with access to a GPU.",
    ),
    "no_gpu_given": FindingText(
        "Not usable: this container was started without a GPU.",
        "In a lab, stop this server on My GPUs (File → Hub Control Panel), and choose a GPU when "
        "you start it again. Elsewhere, start the container with a GPU, for example with --gpus "
        "all.",
    ),
    "gpu_not_visible": FindingText(
        "Not usable: a GPU is reserved for this server, but its container does not see it.",
        _ASK_RESTART,
    ),
    "gpu_not_passed": FindingText(
        "Not usable: NVIDIA_VISIBLE_DEVICES={requested} asks for GPUs, but this container got "
        "none.",
        "Start the container with NVIDIA's runtime or a CDI device. On the host, check whether the "
        "NVIDIA Container Toolkit is installed.",
    ),
    "driver_library_missing": FindingText(
        "Not usable: the GPU is in this container, but the driver's libraries are missing.",
        "Start the container through the NVIDIA Container Toolkit, with NVIDIA_DRIVER_CAPABILITIES="
        "compute,utility.",
        "no_driver",
    ),
    "libcuda_missing": FindingText(
        "Not usable: the GPU can be read, but CUDA's part of the driver (libcuda.so.1) is missing.",
        "Start the container with NVIDIA_DRIVER_CAPABILITIES=compute,utility.",
        "cuda_unavailable",
    ),
    "uvm_missing": FindingText(
        "Not usable: the device /dev/nvidia-uvm is missing, and CUDA does not start without it.",
        'Ask the administrator to run "nvidia-modprobe -u -c=0" on the host, then restart this '
        "server.",
        "cuda_unavailable",
    ),
    "simulated": FindingText(
        "This GPU is simulated: it has readings, but it cannot compute, so torch finds no CUDA "
        "device and there is nothing to measure. Everything else works as with a real GPU."
    ),
    "version_mismatch": FindingText(
        "Not usable until the machine is restarted: its driver was updated.",
        "Save your work, then contact the administrator.",
    ),
    "lost": FindingText(
        "Not usable: the GPU is lost.",
        _ASK_RESTART,
    ),
    "hanging": FindingText(
        "Not usable at the moment: the GPU is not responding.",
        "It may only be busy. If this persists, save your work and contact the administrator.",
    ),
    "interrupted": FindingText("Not usable: the GPU cannot be read.", _SHOW_ADMIN),
    "failed": FindingText("Not usable: the GPU cannot be read.", _SHOW_ADMIN),
    "mig_without_slices": FindingText(
        "Not usable: the GPU is in MIG mode and has no slices.",
        "Ask the administrator to create slices, or to turn MIG mode off.",
        "cuda_unavailable",
    ),
    # -- Python and torch
    "no_python": FindingText("Unknown: this kernel is not a plain Python kernel."),
    "python_missing": FindingText(
        "Not usable: this kernel's Python no longer exists.", "Choose another kernel or Python."
    ),
    "python_broken": FindingText(
        "Not usable: this kernel's Python does not start.",
        "Repair its environment, or choose another one.",
    ),
    "probe_timeout": FindingText(
        "Unknown: the environment did not respond in time.",
        "The machine may be busy. Check again.",
    ),
    "torch_missing": FindingText(
        "Not usable with torch: it is not installed in this environment.",
        "Install torch, or choose another environment.",
    ),
    "torch_broken": FindingText(
        "Not usable: torch is installed but does not load.", "Reinstall torch."
    ),
    "torch_crashed": FindingText(
        "Not usable: torch crashes Python with {signal}.",
        "Reinstall torch, and check whether LD_LIBRARY_PATH or LD_PRELOAD adds other libraries.",
    ),
    "torch_cpu_only": FindingText(
        "Not usable: this torch is built for the CPU only.",
        "Install a torch that is built for CUDA.",
    ),
    "torch_cpu_only_user_package": FindingText(
        "Not usable: torch {torch} is built for the CPU only. It was installed to {folder}, and "
        "hides torch {hidden}.",
        _REMOVE_TORCH,
        "torch_cpu_only",
    ),
    "torch_user_package": FindingText(
        "torch {torch} was installed to {folder}, and hides torch {hidden}.", _REMOVE_TORCH
    ),
    # -- CUDA
    "driver_too_old": FindingText(
        "Not usable: CUDA {cuda} needs driver {needed} or newer, but the driver is {driver}.",
        "Install a torch that is built for an older CUDA, or ask the administrator for a newer "
        "driver.",
    ),
    "arch_missing": FindingText(
        "Not usable: this torch has no code for GPUs of compute capability {capability}.",
        "Install a newer torch, or one that is built for this GPU.",
    ),
    "gpu_too_new": FindingText(
        "Not usable: the GPU is too new for this torch, which has no code for compute capability "
        "{capability}.",
        "Install a newer torch, or one that is built for a newer CUDA.",
        "arch_missing",
    ),
    "gpu_too_old": FindingText(
        "Not usable: the GPU is too old for this torch, which has no code for compute capability "
        "{capability}.",
        "Install an older torch, or one that is built for an older CUDA.",
        "arch_missing",
    ),
    "devices_hidden": FindingText(
        'Not usable: CUDA_VISIBLE_DEVICES is "{visible}", which hides every GPU.',
        "Remove this variable, or set it to a GPU that exists, for example 0.",
        "cuda_unavailable",
    ),
    "cuda_unavailable": FindingText(
        "Not usable: the GPU and the driver work, but torch cannot initialize CUDA.",
        "Check whether CUDA_VISIBLE_DEVICES hides the GPU, and whether LD_LIBRARY_PATH adds "
        "another libcuda.so.1.",
    ),
    "compute_failed": FindingText(
        "Not usable: torch finds the GPU, but a small computation on it fails.",
        "Restart the kernels and programs that use the GPU. " + _SHOW_ADMIN,
    ),
    "ptx_only": FindingText(
        "This torch has no machine code for compute capability {capability}: the driver compiles "
        "it on first use, which is slow."
    ),
    "minor_compatibility": FindingText(
        "CUDA {cuda} was released with driver {needed}. The older driver {driver} can run it, "
        "except for code that the driver has to compile."
    ),
    "forward_compatibility": FindingText(
        "Driver {driver} is older than the version that CUDA {cuda} requires ({needed}). It works "
        "through NVIDIA's forward compatibility package."
    ),
    "nvcc_missing": FindingText(
        "The CUDA toolkit (nvcc) is not installed. torch does not need it, except to compile CUDA "
        "extensions."
    ),
    # -- cuDNN
    "cudnn_mismatch": FindingText(
        "Not usable: torch was built with cuDNN {built}, but cuDNN {loaded} is loaded.",
        "Check whether LD_LIBRARY_PATH points to another cuDNN, or reinstall torch.",
    ),
    "cudnn_newer": FindingText(
        "cuDNN {loaded} is loaded. torch was built with the older {built}, which is fine."
    ),
    "cudnn_library_path": FindingText(
        "torch uses the cuDNN in {path} instead of its own, because LD_LIBRARY_PATH names it.",
        "Remove that folder from LD_LIBRARY_PATH.",
    ),
    "cudnn_user_package": FindingText(
        "torch uses the cuDNN in {path}, which was installed there, instead of its own.",
        "Uninstall the packages nvidia-cudnn-cu… from there.",
    ),
    "cudnn_elsewhere": FindingText(
        "torch uses the cuDNN in {path} instead of its own.",
        "Check LD_PRELOAD and the other libraries of this environment.",
    ),
}
"""By ID."""


def code_of(finding_id: str) -> str:
    """Return the code that the REST interface has for a finding."""
    return FINDINGS[finding_id].code or finding_id


def title_of(finding_id: str, parameters: dict[str, str]) -> str:
    """Return what a finding means, in English; a missing parameter is empty."""
    return FINDINGS[finding_id].title.format_map(_Filled(parameters))


def advice_of(finding_id: str, parameters: dict[str, str]) -> str:
    """Return what to do about a finding, in English; empty when there is nothing to do."""
    return FINDINGS[finding_id].advice.format_map(_Filled(parameters))


class _Filled(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return ""
