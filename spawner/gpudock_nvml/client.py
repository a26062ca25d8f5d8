"""The NVML client: every call in one place, guarded, with each failure as a value."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pynvml

from gpudock_nvml import failures
from gpudock_nvml.failures import Failure
from gpudock_nvml.values import (
    SWITCH,
    ClockKind,
    Memory,
    PCIeLink,
    Pending,
    ProcessKind,
    RowRemapping,
    Running,
    SliceShape,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
_Read: TypeAlias = _T | Failure

_MIB = 1024 * 1024
# Beyond these a value cannot be true: it is garbage, or -1 read as an unsigned number.
_MAX_DEVICES, _MAX_SLICES = 256, 64
_MAX_MINOR = 2**20
_MAX_MEMORY = 2**44
_MAX_CELSIUS = 200
_MAX_MILLIWATTS = 100_000_000
_MAX_MHZ = 100_000
_MAX_COUNT = 2**62
_MAX_PCIE_GENERATION, _MAX_PCIE_LANES = 16, 64
_MAX_THROTTLE_MASK = 0xFFFF

# nvidia-ml-py asks for the number of processes first and leaves room for twice as many. A list that
# grows faster than that between the two calls is requested again, up to this many times in all.
_PROCESS_LIST_TRIES = 4
_PROCESS_LISTS = {
    ProcessKind.GRAPHICS: "nvmlDeviceGetGraphicsRunningProcesses",
    ProcessKind.COMPUTE: "nvmlDeviceGetComputeRunningProcesses",
    ProcessKind.MPS: "nvmlDeviceGetMPSComputeRunningProcesses",
}
# NVML's number for "no MIG instance".
_NO_INSTANCE = 0xFFFFFFFF

_THROTTLE_REASONS = (
    (0x01, "gpu_idle"),
    (0x02, "applications_clocks"),
    (0x04, "sw_power_cap"),
    (0x08, "hw_slowdown"),
    (0x10, "sync_boost"),
    (0x20, "sw_thermal"),
    (0x40, "hw_thermal"),
    (0x80, "hw_power_brake"),
    (0x100, "display_clocks"),
)


class NVMLClient:
    """Calls NVML through nvidia-ml-py; no method raises for a failure of NVML.

    The driver is not touched before :meth:`open`. Handles are opaque and valid until :meth:`close`.
    A thread that hangs in a call disturbs no other; :attr:`pending` is the newest call of any.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._open = False
        self._pending: Pending | None = None

    @property
    def pending(self) -> Pending | None:
        """The call in progress."""
        return self._pending

    def _call(self, function: Callable[..., _T], *arguments: Any) -> _Read[_T]:
        """Make a guarded call: it is visible while it runs, and its failure is a value."""
        self._pending = Pending(function.__name__, self._monotonic())
        try:
            return function(*arguments)
        except pynvml.NVMLError as error:
            return Failure(int(error.value), str(error))
        except UnicodeDecodeError:
            return Failure(failures.IMPLAUSIBLE, "NVML returned bytes that are not text")
        except OSError as error:
            # The library is damaged: as good as no answer.
            return Failure(failures.UNKNOWN, str(error))
        finally:
            self._pending = None

    def _number(self, highest: int, function: Callable[..., Any], *arguments: Any) -> int | Failure:
        value = self._call(function, *arguments)
        return value if isinstance(value, Failure) else _plausible(value, highest)

    def open(self) -> Failure | None:
        """Initialize the library."""
        failure = self._call(pynvml.nvmlInit)
        self._open = failure is None
        return failure if isinstance(failure, Failure) else None

    def close(self) -> None:
        """Release the library; does nothing on a client that is not open."""
        if self._open:
            self._open = False
            self._call(pynvml.nvmlShutdown)

    # -- driver and devices -----------------------------------------------------------------

    def driver_version(self) -> str | Failure:
        """Version of the driver, for example ``550.54.15``."""
        return self._call(pynvml.nvmlSystemGetDriverVersion)

    def cuda_version(self) -> str | Failure:
        """Newest CUDA version that the driver runs, for example ``12.4``."""
        number = self._call(pynvml.nvmlSystemGetCudaDriverVersion_v2)
        if isinstance(number, Failure):
            return number
        return f"{number // 1000}.{number % 1000 // 10}"

    def count(self) -> int | Failure:
        """Number of whole GPUs."""
        return self._number(_MAX_DEVICES, pynvml.nvmlDeviceGetCount)

    def handle(self, index: int) -> Any | Failure:
        """Handle of a whole GPU."""
        return self._call(pynvml.nvmlDeviceGetHandleByIndex, index)

    def uuid(self, handle: Any) -> str | Failure:
        """UUID of a GPU or slice."""
        return self._call(pynvml.nvmlDeviceGetUUID, handle)

    def name(self, handle: Any) -> str | Failure:
        """Product name of a GPU or slice."""
        return self._call(pynvml.nvmlDeviceGetName, handle)

    def minor(self, handle: Any) -> int | Failure:
        """Number of a whole GPU's device node ``/dev/nvidiaN``."""
        return self._number(_MAX_MINOR, pynvml.nvmlDeviceGetMinorNumber, handle)

    def compute_capability(self, handle: Any) -> str | Failure:
        """Compute capability of a whole GPU, for example ``8.0``."""
        found = self._call(pynvml.nvmlDeviceGetCudaComputeCapability, handle)
        return found if isinstance(found, Failure) else f"{found[0]}.{found[1]}"

    # -- telemetry --------------------------------------------------------------------------

    def memory(self, handle: Any) -> Memory | Failure:
        """Memory of a GPU or slice."""
        # The second version does not count what the driver keeps for itself as used, and is what
        # nvidia-smi shows; drivers before 510 have only the first.
        found = self._call(pynvml.nvmlDeviceGetMemoryInfo, handle, pynvml.nvmlMemory_v2)
        if isinstance(found, Failure) and found.is_absence:
            found = self._call(pynvml.nvmlDeviceGetMemoryInfo, handle)
        if isinstance(found, Failure):
            return found
        if not 0 <= found.used <= found.total <= _MAX_MEMORY:
            return _implausible(found.total)
        return Memory(total_mib=found.total // _MIB, used_mib=found.used // _MIB)

    def utilization(self, handle: Any) -> int | Failure:
        """Share of the last sample period in which a kernel ran, percent."""
        found = self._call(pynvml.nvmlDeviceGetUtilizationRates, handle)
        return found if isinstance(found, Failure) else _plausible(found.gpu, 100)

    def temperature(self, handle: Any) -> int | Failure:
        """Temperature of the chip, °C."""
        sensor = pynvml.NVML_TEMPERATURE_GPU
        found = self._number(_MAX_CELSIUS, pynvml.nvmlDeviceGetTemperature, handle, sensor)
        if isinstance(found, Failure) and found.code == failures.FUNCTION_NOT_FOUND:
            # Deprecated, and announced to go with CUDA 14.
            return self._number(_MAX_CELSIUS, pynvml.nvmlDeviceGetTemperatureV, handle, sensor)
        return found

    def slowdown_temperature(self, handle: Any) -> int | Failure:
        """Temperature at which a GPU slows itself down, °C."""
        return self._number(
            _MAX_CELSIUS,
            pynvml.nvmlDeviceGetTemperatureThreshold,
            handle,
            pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN,
        )

    def power(self, handle: Any) -> float | Failure:
        """Power drawn, W."""
        return self._watts(pynvml.nvmlDeviceGetPowerUsage, handle)

    def power_limit(self, handle: Any) -> float | Failure:
        """Power limit in force, W."""
        found = self._watts(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
        if isinstance(found, Failure) and found.meaning in (
            failures.Meaning.UNSUPPORTED,
            failures.Meaning.UNAVAILABLE,
        ):
            return self._watts(pynvml.nvmlDeviceGetPowerManagementLimit, handle)
        return found

    def _watts(self, function: Callable[..., Any], handle: Any) -> float | Failure:
        found = self._number(_MAX_MILLIWATTS, function, handle)
        return found if isinstance(found, Failure) else found / 1000

    def clock(self, handle: Any, kind: ClockKind) -> int | Failure:
        """Frequency of a clock, MHz."""
        return self._number(_MAX_MHZ, pynvml.nvmlDeviceGetClockInfo, handle, kind)

    def max_clock(self, handle: Any, kind: ClockKind) -> int | Failure:
        """Highest frequency of a clock, MHz."""
        return self._number(_MAX_MHZ, pynvml.nvmlDeviceGetMaxClockInfo, handle, kind)

    def throttle_reasons(self, handle: Any) -> tuple[str, ...] | Failure:
        """Why the clocks are not at their highest; reasons of newer drivers are left out."""
        mask = self._number(
            _MAX_THROTTLE_MASK, pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle
        )
        if isinstance(mask, Failure):
            return mask
        return tuple(reason for bit, reason in _THROTTLE_REASONS if mask & bit)

    # -- processes --------------------------------------------------------------------------

    def processes(self, handle: Any, kind: ProcessKind) -> tuple[Running, ...] | Failure:
        """Processes that use a GPU or slice in one way."""
        listed = self._list_processes(f"{_PROCESS_LISTS[kind]}_v3", handle)
        if isinstance(listed, Failure) and listed.code == failures.FUNCTION_NOT_FOUND:
            # A driver before 510.
            listed = self._list_processes(f"{_PROCESS_LISTS[kind]}_v2", handle)
        if isinstance(listed, Failure):
            return listed
        return tuple(
            Running(
                pid=int(process.pid),
                memory_mib=_process_memory(process.usedGpuMemory),
                gpu_instance=_instance(process, "gpuInstanceId"),
                compute_instance=_instance(process, "computeInstanceId"),
            )
            for process in listed
        )

    def _list_processes(self, name: str, handle: Any) -> Any:
        for _ in range(_PROCESS_LIST_TRIES):
            listed: Any = self._call(getattr(pynvml, name), handle)
            if not (isinstance(listed, Failure) and listed.code == failures.INSUFFICIENT_SIZE):
                break
        return listed

    def process_name(self, pid: int) -> str | Failure:
        """Program of a process."""
        return self._call(pynvml.nvmlSystemGetProcessName, pid)

    # -- memory health ----------------------------------------------------------------------

    def corrected_errors(self, handle: Any) -> int | Failure:
        """Memory errors that ECC corrected, since the driver was loaded."""
        return self._errors(handle, pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED)

    def uncorrected_errors(self, handle: Any) -> int | Failure:
        """Memory errors that ECC could not correct, since the driver was loaded."""
        return self._errors(handle, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED)

    def _errors(self, handle: Any, kind: int) -> int | Failure:
        return self._number(
            _MAX_COUNT, pynvml.nvmlDeviceGetTotalEccErrors, handle, kind, pynvml.NVML_VOLATILE_ECC
        )

    def row_remapping(self, handle: Any) -> RowRemapping | Failure:
        """Whether faulty rows wait to be replaced, or could not be."""
        found = self._call(pynvml.nvmlDeviceGetRemappedRows, handle)
        if isinstance(found, Failure):
            return found
        _corrected, _uncorrected, pending, failed = found
        return RowRemapping(pending=bool(pending), failed=bool(failed))

    def page_retirement_pending(self, handle: Any) -> bool | Failure:
        """Whether faulty pages are still in use until the next reset."""
        found = self._call(pynvml.nvmlDeviceGetRetiredPagesPendingStatus, handle)
        return found if isinstance(found, Failure) else bool(found)

    # -- MIG --------------------------------------------------------------------------------

    def mig_enabled(self, handle: Any) -> bool | Failure:
        """Whether the GPU is in MIG mode."""
        found = self._call(pynvml.nvmlDeviceGetMigMode, handle)
        if isinstance(found, Failure):
            return found
        current, _pending = found
        return bool(current == pynvml.NVML_DEVICE_MIG_ENABLE)

    def slice_count(self, handle: Any) -> int | Failure:
        """How many slices the GPU can have at most."""
        return self._number(_MAX_SLICES, pynvml.nvmlDeviceGetMaxMigDeviceCount, handle)

    def slice(self, handle: Any, number: int) -> Any | Failure:
        """Handle of a slice; ``NOT_FOUND`` where there is none of that number."""
        return self._call(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)

    def slice_shape(self, handle: Any) -> SliceShape | Failure:
        """Size of a slice."""
        found = self._call(pynvml.nvmlDeviceGetAttributes_v2, handle)
        if isinstance(found, Failure):
            return found
        return SliceShape(
            gpu_slices=int(found.gpuInstanceSliceCount),
            compute_slices=int(found.computeInstanceSliceCount),
            memory_mib=int(found.memorySizeMB),
        )

    def slice_instances(self, handle: Any) -> tuple[int, int] | Failure:
        """Numbers of the slice's GPU instance and compute instance."""
        gpu = self._call(pynvml.nvmlDeviceGetGpuInstanceId, handle)
        if isinstance(gpu, Failure):
            return gpu
        compute = self._call(pynvml.nvmlDeviceGetComputeInstanceId, handle)
        return compute if isinstance(compute, Failure) else (int(gpu), int(compute))

    # -- connections ------------------------------------------------------------------------

    def pcie_link(self, handle: Any) -> PCIeLink:
        """The bus of a whole GPU."""
        return PCIeLink(
            self._number(_MAX_PCIE_GENERATION, pynvml.nvmlDeviceGetCurrPcieLinkGeneration, handle),
            self._number(_MAX_PCIE_GENERATION, pynvml.nvmlDeviceGetMaxPcieLinkGeneration, handle),
            self._number(_MAX_PCIE_LANES, pynvml.nvmlDeviceGetCurrPcieLinkWidth, handle),
            self._number(_MAX_PCIE_LANES, pynvml.nvmlDeviceGetMaxPcieLinkWidth, handle),
        )

    def bus_id(self, handle: Any) -> str | Failure:
        """Where a whole GPU sits on the PCI bus, as in :meth:`link_peer`."""
        found = self._call(pynvml.nvmlDeviceGetPciInfo, handle)
        return found if isinstance(found, Failure) else _bus_id(found.busId)

    def link_active(self, handle: Any, number: int) -> bool | Failure:
        """Whether an NVLink of a whole GPU is up."""
        found = self._call(pynvml.nvmlDeviceGetNvLinkState, handle, number)
        return found if isinstance(found, Failure) else bool(found)

    def link_peer(self, handle: Any, number: int) -> str | Failure:
        """Bus id of the GPU that an active NVLink leads to, or :data:`SWITCH`."""
        kind = self._call(pynvml.nvmlDeviceGetNvLinkRemoteDeviceType, handle, number)
        if kind == pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH:
            return SWITCH
        # Drivers that cannot report the kind are older than the switches.
        found = self._call(pynvml.nvmlDeviceGetNvLinkRemotePciInfo, handle, number)
        return found if isinstance(found, Failure) else _bus_id(found.busId)

    def common_ancestor(self, one: Any, other: Any) -> int | Failure:
        """Where the paths of two whole GPUs meet, as NVML's topology level."""
        found = self._call(pynvml.nvmlDeviceGetTopologyCommonAncestor, one, other)
        return found if isinstance(found, Failure) else int(found)


def _plausible(value: Any, highest: int) -> int | Failure:
    return int(value) if 0 <= value <= highest else _implausible(value)


def _implausible(value: Any) -> Failure:
    return Failure(failures.IMPLAUSIBLE, f"NVML returned {value}, which cannot be true")


def _process_memory(used: int | None) -> int | Failure:
    if used is None:
        return Failure(failures.NOT_SUPPORTED)
    return used // _MIB if 0 <= used <= _MAX_MEMORY else _implausible(used)


def _instance(process: Any, name: str) -> int | None:
    number = getattr(process, name, None)
    return None if number is None or number == _NO_INSTANCE else int(number)


def _bus_id(text: str | bytes) -> str:
    return (text.decode("ascii", "replace") if isinstance(text, bytes) else text).lower()
