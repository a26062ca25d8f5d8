"""The gate to NVML: every call in one place, and every failure a value.

Nothing here touches the driver before :meth:`NVMLGate.open`. A gate belongs to one thread; only
:attr:`NVMLGate.pending` may be read from others.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import pynvml

from gpudock.agent import failures
from gpudock.agent.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
_Attempted: TypeAlias = _T | Failure

# More than any GPU has; the driver refuses numbers that are too high for it.
MOST_LINKS = pynvml.NVML_NVLINK_MAX_LINKS
SWITCH = "switch"

# nvidia-ml-py asks for the number of processes first and leaves room for twice as many; a list that
# grows faster than that between its two calls is asked for again, this often in all.
_PROCESS_LIST_ATTEMPTS = 4

# NVML's way to say «belongs to no MIG instance».
_NO_INSTANCE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Pending:
    """A call that has not come back. ``since`` is monotonic time, seconds."""

    name: str
    since: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a device, bytes."""

    total: int
    used: int


@dataclass(frozen=True, slots=True)
class Running:
    """A process on a device. ``memory`` is bytes; the instances are ``None`` without MIG."""

    pid: int
    memory: int | None
    gpu_instance: int | None = None
    compute_instance: int | None = None


@dataclass(frozen=True, slots=True)
class SliceShape:
    """What a MIG slice is made of; ``memory_mib`` is MiB."""

    gpu_slices: int
    compute_slices: int
    memory_mib: int


@dataclass(frozen=True, slots=True)
class RowRemapping:
    """State of the memory's spare rows."""

    pending: bool
    failed: bool


class Gate(Protocol):
    """What the reader asks of NVML. A handle is opaque and good until :meth:`close`."""

    @property
    def pending(self) -> Pending | None:
        """The call that is being made now."""

    def open(self) -> Failure | None:
        """Initialise the library."""

    def close(self) -> None:
        """Give the library back. Does nothing on a gate that is not open."""

    def driver_version(self) -> str | Failure:
        """Version of the driver, for example ``550.54.15``."""

    def cuda_version(self) -> str | Failure:
        """Newest CUDA version that the driver runs, for example ``12.4``."""

    def count(self) -> int | Failure:
        """Number of whole GPUs."""

    def handle(self, index: int) -> Any | Failure:
        """Handle of a whole GPU."""

    def uuid(self, handle: Any) -> str | Failure:
        """UUID of a GPU or slice."""

    def name(self, handle: Any) -> str | Failure:
        """Product name of a GPU or slice."""

    def memory(self, handle: Any) -> Memory | Failure:
        """Memory of a GPU or slice."""

    def utilization(self, handle: Any) -> int | Failure:
        """Percentage of the last period in which a kernel ran."""

    def temperature(self, handle: Any) -> int | Failure:
        """Temperature of the chip, °C."""

    def power(self, handle: Any) -> int | Failure:
        """Power drawn, mW."""

    def power_limit(self, handle: Any) -> int | Failure:
        """Power limit in force, mW."""

    def compute_processes(self, handle: Any) -> tuple[Running, ...] | Failure:
        """Processes with a compute context."""

    def graphics_processes(self, handle: Any) -> tuple[Running, ...] | Failure:
        """Processes with a graphics context."""

    def process_name(self, pid: int) -> str | Failure:
        """Program of a process."""

    def uncorrected_errors(self, handle: Any) -> int | Failure:
        """Memory errors that ECC could not correct, since the driver was loaded."""

    def row_remapping(self, handle: Any) -> RowRemapping | Failure:
        """Whether faulty rows wait to be replaced, or could not be."""

    def page_retirement_pending(self, handle: Any) -> bool | Failure:
        """Whether faulty pages are still in use until the next reset."""

    def mig_enabled(self, handle: Any) -> bool | Failure:
        """Whether the GPU is divided into slices."""

    def slice_count(self, handle: Any) -> int | Failure:
        """How many slices the GPU can have at most."""

    def slice(self, handle: Any, number: int) -> Any | Failure:
        """Handle of a slice; ``NOT_FOUND`` where there is none of that number."""

    def slice_shape(self, handle: Any) -> SliceShape | Failure:
        """What the slice is made of."""

    def slice_instances(self, handle: Any) -> tuple[int, int] | Failure:
        """Numbers of the slice's GPU instance and compute instance."""

    def bus_id(self, handle: Any) -> str | Failure:
        """Where a whole GPU sits on the PCI bus, as in :meth:`link_peer`."""

    def link_active(self, handle: Any, number: int) -> bool | Failure:
        """Whether an NVLink of a whole GPU leads somewhere."""

    def link_peer(self, handle: Any, number: int) -> str | Failure:
        """Bus id of the GPU that an active NVLink leads to, or :data:`SWITCH`."""

    def common_ancestor(self, one: Any, other: Any) -> int | Failure:
        """Where the ways of two whole GPUs meet, as NVML's topology level."""


class NVMLGate:
    """The real gate, on nvidia-ml-py."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._open = False
        self._pending: Pending | None = None

    @property
    def pending(self) -> Pending | None:
        """The call that is being made now."""
        return self._pending

    def _attempt(self, function: Callable[..., _T], *arguments: Any) -> _Attempted[_T]:
        self._pending = Pending(function.__name__, self._monotonic())
        try:
            return function(*arguments)
        except pynvml.NVMLError as error:
            return Failure(int(error.value))
        except (UnicodeDecodeError, OSError):
            # Bytes that are no text, or a library that is damaged: as good as no answer.
            return Failure(failures.UNKNOWN)
        finally:
            self._pending = None

    def open(self) -> Failure | None:
        """Initialise the library."""
        failure = self._attempt(pynvml.nvmlInit)
        self._open = failure is None
        return failure if isinstance(failure, Failure) else None

    def close(self) -> None:
        """Give the library back."""
        if self._open:
            self._open = False
            self._attempt(pynvml.nvmlShutdown)

    def driver_version(self) -> str | Failure:
        """Version of the driver."""
        return self._attempt(pynvml.nvmlSystemGetDriverVersion)

    def cuda_version(self) -> str | Failure:
        """Newest CUDA version that the driver runs."""
        number = self._attempt(pynvml.nvmlSystemGetCudaDriverVersion_v2)
        if isinstance(number, Failure):
            return number
        return f"{number // 1000}.{number % 1000 // 10}"

    def count(self) -> int | Failure:
        """Number of whole GPUs."""
        return self._attempt(pynvml.nvmlDeviceGetCount)

    def handle(self, index: int) -> Any | Failure:
        """Handle of a whole GPU."""
        return self._attempt(pynvml.nvmlDeviceGetHandleByIndex, index)

    def uuid(self, handle: Any) -> str | Failure:
        """UUID of a GPU or slice."""
        return self._attempt(pynvml.nvmlDeviceGetUUID, handle)

    def name(self, handle: Any) -> str | Failure:
        """Product name of a GPU or slice."""
        return self._attempt(pynvml.nvmlDeviceGetName, handle)

    def memory(self, handle: Any) -> Memory | Failure:
        """Memory of a GPU or slice."""
        # The second version does not count what the driver keeps for itself as used, and is what
        # nvidia-smi shows; drivers before 510 have only the first.
        answer = self._attempt(pynvml.nvmlDeviceGetMemoryInfo, handle, pynvml.nvmlMemory_v2)
        if isinstance(answer, Failure) and answer.meaning is failures.Meaning.ABSENT:
            answer = self._attempt(pynvml.nvmlDeviceGetMemoryInfo, handle)
        if isinstance(answer, Failure):
            return answer
        return Memory(total=int(answer.total), used=int(answer.used))

    def utilization(self, handle: Any) -> int | Failure:
        """Percentage of the last period in which a kernel ran."""
        answer = self._attempt(pynvml.nvmlDeviceGetUtilizationRates, handle)
        return answer if isinstance(answer, Failure) else int(answer.gpu)

    def temperature(self, handle: Any) -> int | Failure:
        """Temperature of the chip, °C."""
        answer = self._attempt(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU)
        if isinstance(answer, Failure) and answer.code == failures.FUNCTION_NOT_FOUND:
            # Deprecated, and announced to go with CUDA 14.
            return self._attempt(
                pynvml.nvmlDeviceGetTemperatureV, handle, pynvml.NVML_TEMPERATURE_GPU
            )
        return answer

    def power(self, handle: Any) -> int | Failure:
        """Power drawn, mW."""
        return self._attempt(pynvml.nvmlDeviceGetPowerUsage, handle)

    def power_limit(self, handle: Any) -> int | Failure:
        """Power limit in force, mW."""
        answer = self._attempt(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
        if isinstance(answer, Failure) and answer.meaning is failures.Meaning.ABSENT:
            return self._attempt(pynvml.nvmlDeviceGetPowerManagementLimit, handle)
        return answer

    def _processes(
        self, newest: Callable[..., Any], older: Callable[..., Any], handle: Any
    ) -> tuple[Running, ...] | Failure:
        answer = self._list_processes(newest, handle)
        if isinstance(answer, Failure) and answer.code == failures.FUNCTION_NOT_FOUND:
            answer = self._list_processes(older, handle)
        if isinstance(answer, Failure):
            return answer
        return tuple(
            Running(
                pid=int(process.pid),
                memory=None if process.usedGpuMemory is None else int(process.usedGpuMemory),
                gpu_instance=_instance(process.gpuInstanceId),
                compute_instance=_instance(process.computeInstanceId),
            )
            for process in answer
        )

    def _list_processes(self, function: Callable[..., _T], handle: Any) -> _Attempted[_T]:
        for _ in range(_PROCESS_LIST_ATTEMPTS):
            answer = self._attempt(function, handle)
            if not (isinstance(answer, Failure) and answer.code == failures.INSUFFICIENT_SIZE):
                break
        return answer

    def compute_processes(self, handle: Any) -> tuple[Running, ...] | Failure:
        """Processes with a compute context."""
        return self._processes(
            pynvml.nvmlDeviceGetComputeRunningProcesses_v3,
            pynvml.nvmlDeviceGetComputeRunningProcesses_v2,
            handle,
        )

    def graphics_processes(self, handle: Any) -> tuple[Running, ...] | Failure:
        """Processes with a graphics context."""
        return self._processes(
            pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3,
            pynvml.nvmlDeviceGetGraphicsRunningProcesses_v2,
            handle,
        )

    def process_name(self, pid: int) -> str | Failure:
        """Program of a process."""
        return self._attempt(pynvml.nvmlSystemGetProcessName, pid)

    def uncorrected_errors(self, handle: Any) -> int | Failure:
        """Memory errors that ECC could not correct, since the driver was loaded."""
        return self._attempt(
            pynvml.nvmlDeviceGetTotalEccErrors,
            handle,
            pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            pynvml.NVML_VOLATILE_ECC,
        )

    def row_remapping(self, handle: Any) -> RowRemapping | Failure:
        """Whether faulty rows wait to be replaced, or could not be."""
        answer = self._attempt(pynvml.nvmlDeviceGetRemappedRows, handle)
        if isinstance(answer, Failure):
            return answer
        _corrected, _uncorrected, pending, failed = answer
        return RowRemapping(pending=bool(pending), failed=bool(failed))

    def page_retirement_pending(self, handle: Any) -> bool | Failure:
        """Whether faulty pages are still in use until the next reset."""
        answer = self._attempt(pynvml.nvmlDeviceGetRetiredPagesPendingStatus, handle)
        return answer if isinstance(answer, Failure) else bool(answer)

    def mig_enabled(self, handle: Any) -> bool | Failure:
        """Whether the GPU is divided into slices."""
        answer = self._attempt(pynvml.nvmlDeviceGetMigMode, handle)
        if isinstance(answer, Failure):
            return answer
        current, _pending = answer
        return bool(current == pynvml.NVML_DEVICE_MIG_ENABLE)

    def slice_count(self, handle: Any) -> int | Failure:
        """How many slices the GPU can have at most."""
        return self._attempt(pynvml.nvmlDeviceGetMaxMigDeviceCount, handle)

    def slice(self, handle: Any, number: int) -> Any | Failure:
        """Handle of a slice; ``NOT_FOUND`` where there is none of that number."""
        return self._attempt(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)

    def slice_shape(self, handle: Any) -> SliceShape | Failure:
        """What the slice is made of."""
        answer = self._attempt(pynvml.nvmlDeviceGetAttributes_v2, handle)
        if isinstance(answer, Failure):
            return answer
        return SliceShape(
            gpu_slices=int(answer.gpuInstanceSliceCount),
            compute_slices=int(answer.computeInstanceSliceCount),
            memory_mib=int(answer.memorySizeMB),
        )

    def slice_instances(self, handle: Any) -> tuple[int, int] | Failure:
        """Numbers of the slice's GPU instance and compute instance."""
        gpu = self._attempt(pynvml.nvmlDeviceGetGpuInstanceId, handle)
        if isinstance(gpu, Failure):
            return gpu
        compute = self._attempt(pynvml.nvmlDeviceGetComputeInstanceId, handle)
        return compute if isinstance(compute, Failure) else (int(gpu), int(compute))

    def bus_id(self, handle: Any) -> str | Failure:
        """Where a whole GPU sits on the PCI bus."""
        answer = self._attempt(pynvml.nvmlDeviceGetPciInfo, handle)
        return answer if isinstance(answer, Failure) else _bus_id(answer.busId)

    def link_active(self, handle: Any, number: int) -> bool | Failure:
        """Whether an NVLink of a whole GPU leads somewhere."""
        answer = self._attempt(pynvml.nvmlDeviceGetNvLinkState, handle, number)
        return answer if isinstance(answer, Failure) else bool(answer)

    def link_peer(self, handle: Any, number: int) -> str | Failure:
        """Bus id of the GPU that an active NVLink leads to, or :data:`SWITCH`."""
        kind = self._attempt(pynvml.nvmlDeviceGetNvLinkRemoteDeviceType, handle, number)
        if kind == pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH:
            return SWITCH
        # Drivers that cannot tell the kind are older than the switches.
        answer = self._attempt(pynvml.nvmlDeviceGetNvLinkRemotePciInfo, handle, number)
        return answer if isinstance(answer, Failure) else _bus_id(answer.busId)

    def common_ancestor(self, one: Any, other: Any) -> int | Failure:
        """Where the ways of two whole GPUs meet, as NVML's topology level."""
        answer = self._attempt(pynvml.nvmlDeviceGetTopologyCommonAncestor, one, other)
        return answer if isinstance(answer, Failure) else int(answer)


def _bus_id(text: str | bytes) -> str:
    return (text.decode("ascii", "replace") if isinstance(text, bytes) else text).lower()


def _instance(number: int | None) -> int | None:
    return None if number is None or number == _NO_INSTANCE else int(number)
