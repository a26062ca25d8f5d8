"""What a failed NVML call means, and how to say it to an administrator."""

from __future__ import annotations

import enum
from dataclasses import dataclass

# NVML's return codes, as nvml.h numbers them.
UNINITIALIZED = 1
INVALID_ARGUMENT = 2
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
INSUFFICIENT_SIZE = 7
INSUFFICIENT_POWER = 8
DRIVER_NOT_LOADED = 9
TIMEOUT = 10
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
CORRUPTED_INFOROM = 14
GPU_IS_LOST = 15
RESET_REQUIRED = 16
OPERATING_SYSTEM = 17
LIB_RM_VERSION_MISMATCH = 18
NO_DATA = 21
VGPU_ECC_NOT_SUPPORTED = 22
ARGUMENT_VERSION_MISMATCH = 25
DEPRECATED = 26
NOT_READY = 27
GPU_NOT_FOUND = 28
UNKNOWN = 999


class Meaning(enum.Enum):
    """How far a failure reaches."""

    ABSENT = "absent"  # this device or driver does not report this value; all else is well
    DEVICE = "device"  # the device does not answer as it should
    LOST = "lost"  # the device fell off the bus
    LIBRARY = "library"  # no device can be read until the library is opened anew


# A damaged infoROM is among the absent values: the card computes correctly without it, and only
# what is stored in it (serial number, lifetime counters) cannot be read. So is a list that grows
# while it is read.
_MEANINGS = {
    **dict.fromkeys(
        (
            INVALID_ARGUMENT,
            NOT_SUPPORTED,
            NO_PERMISSION,
            NOT_FOUND,
            INSUFFICIENT_SIZE,
            FUNCTION_NOT_FOUND,
            CORRUPTED_INFOROM,
            NO_DATA,
            VGPU_ECC_NOT_SUPPORTED,
            ARGUMENT_VERSION_MISMATCH,
            DEPRECATED,
            NOT_READY,
        ),
        Meaning.ABSENT,
    ),
    **dict.fromkeys((GPU_IS_LOST, GPU_NOT_FOUND), Meaning.LOST),
    **dict.fromkeys(
        (UNINITIALIZED, DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, LIB_RM_VERSION_MISMATCH),
        Meaning.LIBRARY,
    ),
}

_LIBRARY_SENTENCES = {
    DRIVER_NOT_LOADED: (
        "The NVIDIA driver is not loaded, so no GPU can be read. Run `nvidia-smi` on the host; if "
        "it fails too, load the driver with `modprobe nvidia`, or install it and reboot."
    ),
    LIBRARY_NOT_FOUND: (
        "The driver's library libnvidia-ml.so.1 is not there for the agent, so no GPU can be read. "
        "Install the NVIDIA driver and the NVIDIA Container Toolkit on the host, then start the "
        "agent's container again."
    ),
    LIB_RM_VERSION_MISMATCH: (
        "The NVIDIA driver's library and its kernel module have different versions, so no GPU can "
        "be read: the driver was updated while it ran. Reboot the host; the agent's container must "
        "be started again after that."
    ),
    UNKNOWN: (
        "The NVIDIA driver answers only «unknown error» (999), so no GPU can be read. A container "
        "loses its devices like this when systemd reloads its units: start the agent's container "
        "again; if that does not help, look for «Xid» in `dmesg` on the host and reboot it."
    ),
}

_DEVICE_SENTENCES = {
    GPU_IS_LOST: (
        "The GPU fell off the bus (NVML: GPU is lost), and what ran on it has failed. Look for "
        "«Xid» in `dmesg` on the host and power the host off and on; a card that is lost again "
        "needs repair."
    ),
    GPU_NOT_FOUND: (
        "The driver no longer finds the GPU (NVML: GPU not found). Look for «Xid» in `dmesg` on "
        "the host and power the host off and on."
    ),
    RESET_REQUIRED: (
        "The GPU has stopped and asks for a reset (NVML: GPU requires reset). Stop what uses it, "
        "then run `nvidia-smi --gpu-reset` for it on the host, or reboot."
    ),
    INSUFFICIENT_POWER: (
        "The GPU lacks external power (NVML: insufficient power). Check the power cables of the "
        "card."
    ),
    OPERATING_SYSTEM: (
        "The operating system forbids the agent to use the GPU (NVML: operating system). Start the "
        "agent's container again, so that it is given the device anew."
    ),
    UNKNOWN: (
        "The GPU answers with «unknown error» (999) when asked for its {what}. Look for «Xid» in "
        "`dmesg` on the host; reset the GPU with `nvidia-smi --gpu-reset` when nothing uses it, or "
        "reboot."
    ),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of one NVML call, as a value.

    Attributes:
        code: NVML's return code.
    """

    code: int

    @property
    def meaning(self) -> Meaning:
        """How far the failure reaches; a code that is not known concerns the device."""
        return _MEANINGS.get(self.code, Meaning.DEVICE)

    def library_sentence(self) -> str:
        """Say why no device can be read, and what to do."""
        return _LIBRARY_SENTENCES.get(self.code) or (
            f"The NVIDIA driver could not be asked for its GPUs (NVML error {self.code}). Run "
            "`nvidia-smi` on the host to see whether the driver works, then start the agent's "
            "container again."
        )

    def device_sentence(self, what: str) -> str:
        """Say what is wrong with the device that failed to tell *what*, and what to do."""
        sentence = _DEVICE_SENTENCES.get(self.code) or (
            "The GPU fails when asked for its {what} (NVML error " + str(self.code) + "). Look for "
            "«Xid» in `dmesg` on the host; reset the GPU with `nvidia-smi --gpu-reset` when "
            "nothing uses it, or reboot."
        )
        return sentence.format(what=what)
