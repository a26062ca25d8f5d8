"""What an administrator reads about a failed NVML call, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.language import Message
from gpudock_nvml import failures

if TYPE_CHECKING:
    from gpudock_nvml.failures import Failure

_LIBRARY = {
    failures.DRIVER_NOT_LOADED: Message(
        "The NVIDIA driver is not loaded, so no GPU can be read. Run `nvidia-smi` on the host; if "
        "it fails too, load the driver with `modprobe nvidia`, or install it and reboot."
    ),
    failures.LIBRARY_NOT_FOUND: Message(
        "The agent does not find the driver's library libnvidia-ml.so.1, so no GPU can be read. "
        "Install the NVIDIA driver and the NVIDIA Container Toolkit on the host, then start the "
        "agent's container again."
    ),
    failures.LIB_RM_VERSION_MISMATCH: Message(
        "The NVIDIA driver's library and its kernel module have different versions, so no GPU can "
        "be read: the driver was updated while it ran. Reboot the host; the agent's container must "
        "be started again after that."
    ),
    failures.UNKNOWN: Message(
        'The NVIDIA driver returns only "unknown error" (999), so no GPU can be read. A container '
        "loses its devices like this when systemd reloads its units: start the agent's container "
        'again; if that does not help, look for "Xid" in `dmesg` on the host and reboot it.'
    ),
}

_DEVICE = {
    failures.GPU_IS_LOST: Message(
        "The GPU fell off the bus (NVML: GPU is lost), and what ran on it has failed. Look for "
        '"Xid" in `dmesg` on the host and power the host off and on; a card that is lost again '
        "needs repair."
    ),
    failures.GPU_NOT_FOUND: Message(
        'The driver no longer finds the GPU (NVML: GPU not found). Look for "Xid" in `dmesg` on '
        "the host and power the host off and on."
    ),
    failures.RESET_REQUIRED: Message(
        "The GPU has stopped and asks for a reset (NVML: GPU requires reset). Stop what uses it, "
        "then run `nvidia-smi --gpu-reset` for it on the host, or reboot."
    ),
    failures.INSUFFICIENT_POWER: Message(
        "The GPU lacks external power (NVML: insufficient power). Check the power cables of the "
        "card."
    ),
    failures.OPERATING_SYSTEM: Message(
        "The operating system denies the agent the use of the GPU (NVML: operating system). Start "
        "the agent's container again, so that it gets the device back."
    ),
}


def library_message(failure: Failure) -> Message:
    """Return why no device can be read, and what to do."""
    return _LIBRARY.get(failure.code) or Message(
        "The NVIDIA driver does not list its GPUs ({failure}). Run `nvidia-smi` on the host to see"
        " whether the driver works, then start the agent's container again.",
        failure=_name(failure),
    )


def device_message(failure: Failure, what: str) -> Message:
    """Return what is wrong with a device that did not report *what*, and what to do."""
    if failure.code == failures.UNKNOWN:
        return Message(
            'The GPU returns "unknown error" (999) when asked for its {what}. Look for "Xid" in'
            " `dmesg` on the host; reset the GPU with `nvidia-smi --gpu-reset` when nothing uses"
            " it, or reboot.",
            what=what,
        )
    return _DEVICE.get(failure.code) or Message(
        'The GPU fails when asked for its {what} ({failure}). Look for "Xid" in `dmesg` on the'
        " host; reset the GPU with `nvidia-smi --gpu-reset` when nothing uses it, or reboot.",
        what=what,
        failure=_name(failure),
    )


def _name(failure: Failure) -> Message:
    if failure.code == failures.IMPLAUSIBLE:
        return Message("NVML returned a value that cannot be true")
    return Message("NVML error {code}", code=failure.code)
