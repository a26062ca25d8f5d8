"""What a failed NVML call means."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

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

IMPLAUSIBLE = -1
"""Not a code of NVML: the call succeeded with a value that cannot be true."""


class Meaning(enum.Enum):
    """How far a failure reaches."""

    UNSUPPORTED = "unsupported"
    """This device or driver never reports the value."""
    UNAVAILABLE = "unavailable"
    """There is no value this time, and the device is well."""
    IMPLAUSIBLE = "implausible"
    """The value cannot be true; the device is well."""
    DEVICE = "device"
    """The device does not answer as it should."""
    UNREACHABLE = "unreachable"
    """The device works no more until it is reset, or until this container gets it back."""
    LOST = "lost"
    """The device fell off the bus."""
    NO_DRIVER = "no_driver"
    """The driver or its library is not there: no device can be read."""
    VERSION_MISMATCH = "version_mismatch"
    """Library and kernel module differ in version: no device can be read until a reboot."""
    LIBRARY = "library"
    """No device can be read until the library is opened again."""


# A damaged infoROM is no fault: the card computes correctly without it, and only what is stored in
# it (serial number, lifetime counters) cannot be read. Neither is a list that grows while it is
# read.
_MEANINGS = {
    NOT_SUPPORTED: Meaning.UNSUPPORTED,
    FUNCTION_NOT_FOUND: Meaning.UNSUPPORTED,
    **dict.fromkeys(
        (
            INVALID_ARGUMENT,
            NO_PERMISSION,
            NOT_FOUND,
            INSUFFICIENT_SIZE,
            CORRUPTED_INFOROM,
            NO_DATA,
            VGPU_ECC_NOT_SUPPORTED,
            ARGUMENT_VERSION_MISMATCH,
            DEPRECATED,
            NOT_READY,
        ),
        Meaning.UNAVAILABLE,
    ),
    IMPLAUSIBLE: Meaning.IMPLAUSIBLE,
    RESET_REQUIRED: Meaning.UNREACHABLE,
    UNKNOWN: Meaning.UNREACHABLE,
    GPU_IS_LOST: Meaning.LOST,
    GPU_NOT_FOUND: Meaning.LOST,
    DRIVER_NOT_LOADED: Meaning.NO_DRIVER,
    LIBRARY_NOT_FOUND: Meaning.NO_DRIVER,
    LIB_RM_VERSION_MISMATCH: Meaning.VERSION_MISMATCH,
    UNINITIALIZED: Meaning.LIBRARY,
}
_ABSENT = (Meaning.UNSUPPORTED, Meaning.UNAVAILABLE, Meaning.IMPLAUSIBLE)
# The cause of these is not the driver's: somebody has to reset the card, or to connect its power.
_OF_HARDWARE = (RESET_REQUIRED, INSUFFICIENT_POWER)
_OF_LIBRARY = (Meaning.NO_DRIVER, Meaning.VERSION_MISMATCH, Meaning.LIBRARY)


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of one NVML call, as a value.

    Attributes:
        code: NVML's return code, or :data:`IMPLAUSIBLE`.
        detail: the failure in NVML's words.
    """

    code: int
    detail: str = field(default="", compare=False)

    @property
    def meaning(self) -> Meaning:
        """How far the failure reaches; an unknown code concerns the device."""
        return _MEANINGS.get(self.code, Meaning.DEVICE)

    @property
    def is_absence(self) -> bool:
        """Whether only this value is missing and the device is well."""
        return self.meaning in _ABSENT

    @property
    def may_pass(self) -> bool:
        """Whether the device may be well again without anybody's hand."""
        return self.meaning is not Meaning.LOST and self.code not in _OF_HARDWARE

    @property
    def concerns_library(self) -> bool:
        """Whether no device can be read."""
        return self.meaning in _OF_LIBRARY
