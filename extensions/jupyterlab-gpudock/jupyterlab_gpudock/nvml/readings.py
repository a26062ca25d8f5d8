"""One reading of the GPUs: plain values with units, without NVML."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import Any


class Missing(StrEnum):
    """Why a number is missing. It takes the number's place."""

    NOT_SUPPORTED = "not_supported"
    """This GPU does not report it, and never will."""
    NOT_AVAILABLE = "not_available"
    """It could not be read this time."""
    NONSENSE = "nonsense"
    """The value cannot be true, for example a utilization of 4294967295 %, and was dropped."""


Metric = int | float | Missing
"""A number in the unit that its field names, or the reason why there is none."""


class State(StrEnum):
    """The state of all GPUs of this server, or of a single one."""

    OK = "ok"
    NO_DRIVER = "no_driver"
    """NVML's library is missing, or the driver's kernel module is not loaded."""
    NO_GPU = "no_gpu"
    """The driver works, and shows no device to this process."""
    VERSION_MISMATCH = "version_mismatch"
    """Library and kernel module have different versions: the host needs a reboot."""
    LOST = "lost"
    """A GPU no longer works, or this container lost access to it."""
    HANGING = "hanging"
    """A call to NVML has not returned for seconds; the other GPUs are still read."""
    INTERRUPTED = "interrupted"
    """The program that reads the GPUs ended unexpectedly; it is started again by itself."""
    FAILED = "failed"
    """NVML returns another error; the detail has its text."""


@dataclasses.dataclass(frozen=True, slots=True)
class PCIe:
    """The bus of a GPU; None for what it does not report."""

    generation: int | None = None
    generation_max: int | None = None
    width: int | None = None
    width_max: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Process:
    """A process that holds memory of a GPU, and its owner."""

    pid: int
    """As NVML reports it: the host's PID."""
    kind: str
    """``compute``, ``graphics``, or ``mps`` for one that computes through NVIDIA's MPS."""
    memory_mib: Metric
    name: str | None = None
    certainty: str = "unknown"
    reason: str = "hidden"
    owner: dict[str, str] | None = None
    """As ``Owner`` in the contract."""

    def document(self) -> dict[str, Any]:
        """Return the process as JSON-ready data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclasses.dataclass(frozen=True, slots=True)
class GPU:
    """One device, or one MIG slice of a device, at one time.

    NVML reports temperature, power, clocks and health of a MIG slice only for the whole device.
    """

    uuid: str
    index: str
    """For display: ``0`` for a device, ``0:1`` for the second slice of the first device."""
    name: str
    mig_profile: str | None = None
    """For example ``1g.10gb``; None for a whole device."""
    compute_capability: str | None = None
    """For example ``8.0``."""
    state: State = State.OK
    detail: str = ""
    """NVML's text for a state other than ok."""
    simulated: bool = False
    """It has readings, and computes nothing."""
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
    memory_clock_mhz: Metric = Missing.NOT_AVAILABLE
    memory_clock_max_mhz: Metric = Missing.NOT_AVAILABLE
    throttle: tuple[str, ...] | Missing = Missing.NOT_AVAILABLE
    """Why the clocks are not at their highest, as ``ThrottleReason`` in the contract."""
    pcie: PCIe | None = None
    nvlinks: int | None = None
    """NVLinks that are up; None for a GPU without NVLink."""
    ecc_corrected: Metric = Missing.NOT_AVAILABLE
    ecc_uncorrected: Metric = Missing.NOT_AVAILABLE
    """Memory errors since the driver was loaded."""
    health: tuple[str, ...] = ()
    """What is wrong with it though it can be read, as ``HealthNote`` in the contract."""
    processes: tuple[Process, ...] | Missing = Missing.NOT_AVAILABLE

    def document(self) -> dict[str, Any]:
        """Return the GPU as JSON-ready data."""
        document = {name: getattr(self, name) for name in self.__slots__}
        if self.pcie is not None:
            document["pcie"] = dataclasses.asdict(self.pcie)
        if not isinstance(self.processes, Missing):
            document["processes"] = [process.document() for process in self.processes]
        return document


CHANGING = (
    "utilization_percent",
    "memory_used_mib",
    "temperature_c",
    "power_w",
    "sm_clock_mhz",
    "memory_clock_mhz",
    "throttle",
)
"""The fields of a GPU, apart from processes, that usually change between readings."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """All GPUs that this process can see, read one after the other."""

    state: State
    detail: str = ""
    """NVML's text for a state other than ok."""
    driver: str | None = None
    """The driver's version, for example ``550.54.15``."""
    driver_cuda: str | None = None
    """The newest CUDA that the driver supports, for example ``12.4``."""
    gpus: tuple[GPU, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """A reading with its place in time."""

    sequence: int
    """Increases by one with each reading of this server."""
    time: float
    """When it was taken, in seconds since 1970 (UTC)."""
    taken_at: float
    """The same time on the sampler's monotonic clock, in seconds."""
    interval_s: float
    """Seconds between two readings."""
    reading: Reading

    def document(self, *, age_s: float, stale: bool) -> dict[str, object]:
        """Return the snapshot as JSON-ready data, for the REST call and the stream."""
        reading = self.reading
        return {
            "type": "snapshot",
            "sequence": self.sequence,
            "time": round(self.time, 3),
            "interval_s": self.interval_s,
            "age_s": round(age_s, 1),
            "stale": stale,
            "state": reading.state,
            "detail": reading.detail,
            "driver": reading.driver,
            "driver_cuda": reading.driver_cuda,
            "gpus": [gpu.document() for gpu in reading.gpus],
        }
