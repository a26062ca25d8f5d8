"""What one look at the GPUs found: plain values with units, no NVML in sight."""

from __future__ import annotations

import dataclasses
from enum import StrEnum


class Missing(StrEnum):
    """Why a number is not there. It travels in the number's place."""

    NOT_SUPPORTED = "not_supported"
    """This GPU does not report it, and never will."""
    NOT_AVAILABLE = "not_available"
    """It could not be read this time, or what was read made no sense."""


Metric = int | float | Missing
"""A number in the unit that its field names, or the reason why there is none."""


class State(StrEnum):
    """How the GPUs of this server fare as a whole, or how a single one does."""

    OK = "ok"
    NO_DRIVER = "no_driver"
    """NVML's library is not here, or the driver's kernel module is not loaded."""
    NO_GPU = "no_gpu"
    """The driver answers, and shows no device to this process."""
    VERSION_MISMATCH = "version_mismatch"
    """Library and kernel module come from two driver versions: the host needs a restart."""
    LOST = "lost"
    """A GPU that was there answers no more, or this container lost access to it."""
    FAILED = "failed"
    """NVML answers with an error that is none of the above; the detail has its words."""


@dataclasses.dataclass(frozen=True, slots=True)
class GPU:
    """One device, or one MIG slice of a device, at one moment.

    Of a MIG slice, temperature, power and clock are those of the whole device: NVML has no others.
    """

    uuid: str
    index: str
    """For eyes only: ``0`` for a device, ``0:1`` for the second slice of the first device."""
    name: str
    mig_profile: str | None = None
    """For example ``1g.10gb``; None for a whole device."""
    state: State = State.OK
    detail: str = ""
    """NVML's own words for a state other than ok."""
    utilization_percent: Metric = Missing.NOT_AVAILABLE
    memory_used_mib: Metric = Missing.NOT_AVAILABLE
    memory_total_mib: Metric = Missing.NOT_AVAILABLE
    temperature_c: Metric = Missing.NOT_AVAILABLE
    temperature_slowdown_c: Metric = Missing.NOT_AVAILABLE
    """The temperature at which the GPU slows itself down."""
    power_w: Metric = Missing.NOT_AVAILABLE
    power_limit_w: Metric = Missing.NOT_AVAILABLE
    sm_clock_mhz: Metric = Missing.NOT_AVAILABLE
    sm_clock_max_mhz: Metric = Missing.NOT_AVAILABLE


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """All GPUs that this process can see, read one after the other."""

    state: State
    detail: str = ""
    """NVML's own words for a state other than ok."""
    driver: str | None = None
    """The driver's version, for example ``550.54.15``."""
    driver_cuda: str | None = None
    """The newest CUDA that the driver speaks, for example ``12.4``."""
    gpus: tuple[GPU, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """A reading with its place in time."""

    sequence: int
    """Counts up by one with each reading of this server."""
    time: float
    """When it was taken, in seconds since 1970 (UTC)."""
    taken_at: float
    """The same moment on the sampler's monotonic clock, in seconds."""
    interval_s: float
    """How far apart readings are meant to be, in seconds."""
    reading: Reading

    def document(self, *, age_s: float, stale: bool) -> dict[str, object]:
        """The snapshot as JSON-ready data, as the REST call and the stream both send it."""
        return {
            "type": "snapshot",
            "sequence": self.sequence,
            "time": round(self.time, 3),
            "interval_s": self.interval_s,
            "age_s": round(age_s, 1),
            "stale": stale,
            **dataclasses.asdict(self.reading),
        }
