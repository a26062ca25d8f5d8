"""What NVML returns, as plain values with units."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpudock_nvml.failures import Failure

MAX_LINKS = 18
"""NVLinks per GPU (``NVML_NVLINK_MAX_LINKS``); the driver rejects numbers that a GPU lacks."""
SWITCH = "switch"
"""The peer of an NVLink that leads to an NVSwitch."""


class ClockKind(enum.IntEnum):
    """A clock of a GPU, as NVML numbers it."""

    SM = 1
    MEMORY = 2


class ProcessKind(enum.StrEnum):
    """How a process uses a GPU."""

    GRAPHICS = "graphics"
    COMPUTE = "compute"
    MPS = "mps"
    """It computes through NVIDIA's Multi-Process Service."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An NVML call that has not returned. ``since`` is monotonic time, seconds."""

    name: str
    since: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a device, MiB."""

    total_mib: int
    used_mib: int


@dataclass(frozen=True, slots=True)
class Running:
    """A process on a device. The MIG instances are ``None`` without MIG."""

    pid: int
    memory_mib: int | Failure
    gpu_instance: int | None = None
    compute_instance: int | None = None


@dataclass(frozen=True, slots=True)
class SliceShape:
    """The size of a MIG slice."""

    gpu_slices: int
    compute_slices: int
    memory_mib: int


@dataclass(frozen=True, slots=True)
class RowRemapping:
    """State of the memory's spare rows."""

    pending: bool
    failed: bool


@dataclass(frozen=True, slots=True)
class PCIeLink:
    """The bus of a GPU: generation and lanes, now and at most."""

    generation: int | Failure
    generation_max: int | Failure
    width: int | Failure
    width_max: int | Failure
