"""The one gate to NVML: the only module, with ``facts``, that calls nvidia-ml-py.

Nothing here runs before the first reading: opening NVML can take seconds on a machine without the
persistence daemon, and on many machines there is no NVML at all.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import re
import time
from typing import TYPE_CHECKING, Any

from jupyterlab_gpudock.nvml.facts import Asker, with_health, with_limits
from jupyterlab_gpudock.nvml.guarded import Attempt
from jupyterlab_gpudock.nvml.readings import GPU, Metric, Missing, Process, Reading, State

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024
REOPEN_SECONDS = 5.0
"""How long to leave NVML alone after a fault before it is closed and opened again."""
RELIST_SECONDS = 10.0
"""How often to list the devices anew: MIG slices come and go while NVML is open."""

# nvidia-ml-py leaves room for twice the processes that there were an instant before; a list that
# grew faster is asked for again, this often in all.
_LIST_ATTEMPTS = 4

_STATES_BY_ERROR = {
    "NVML_ERROR_LIBRARY_NOT_FOUND": State.NO_DRIVER,
    "NVML_ERROR_DRIVER_NOT_LOADED": State.NO_DRIVER,
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": State.VERSION_MISMATCH,
    "NVML_ERROR_GPU_IS_LOST": State.LOST,
    "NVML_ERROR_RESET_REQUIRED": State.LOST,
    "NVML_ERROR_UNKNOWN": State.LOST,
}
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
_HIGHEST_THROTTLE_MASK = 0xFFFF
"""Room for the reasons of drivers to come."""
_MOST_BOARDS, _MOST_SLICES = 256, 64
"""More than there can be: a count beyond that is nonsense, and is not run through."""
_LARGEST_MEMORY = 2**44
"""In bytes; more than any device has."""
_MIG_PROFILE = re.compile(r"\bMIG (\S+)")


@dataclasses.dataclass(slots=True)
class _Device:
    """A device or MIG slice with what does not change while NVML is open."""

    board_index: int
    handle: Any
    board: Any
    """The handle to ask for temperature, power and clock: the device, also for its slices."""
    known: GPU
    """Name, identity and limits; the changing metrics are not filled in."""
    is_slice: bool = False


class NVML:
    """Reads GPUs through NVML, and opens it again when a fault goes away.

    :param clock: monotonic seconds
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._api: Any = None
        self._asker: Asker | None = None
        self._is_open = False
        self._fault: Reading | None = None
        self._reopen_at = 0.0
        self._relist_at = 0.0
        self._driver: str | None = None
        self._driver_cuda: str | None = None
        self._devices: list[_Device] = []
        self._limits: dict[str, GPU] = {}

    def known(self) -> tuple[GPU, ...]:
        """What is known of the devices without asking any."""
        return tuple(device.known for device in self._devices)

    def read(self, attempt: Attempt | None = None) -> Reading:
        """Look at every visible GPU once.

        :param attempt: says which boards to leave alone, and is told what is being asked
        :returns: a reading whose state tells what is wrong, if something is; errors of NVML are
            never raised
        :raises Abandoned: when the attempt was given up meanwhile
        """
        attempt = attempt or Attempt()
        if self._fault is not None:
            if self._clock() >= self._reopen_at:
                self._close(attempt)
            elif not self._is_open:
                return self._fault
        if self._api is None:
            self._api = importlib.import_module("pynvml")
            self._asker = Asker(self._api, lambda error: self._state_of(error) is State.LOST)
        try:
            if not self._is_open:
                self._open(attempt)
            if self._clock() >= self._relist_at:
                self._list_devices(attempt)
            return self._read_devices(attempt)
        except self._api.NVMLError as error:
            return self._give_up(self._state_of(error), str(error), attempt)
        except _NonsenseError as error:
            return self._give_up(State.FAILED, str(error), attempt)

    @property
    def _ask(self) -> Asker:
        assert self._asker is not None, "it is made before anything is asked"
        return self._asker

    def _open(self, attempt: Attempt) -> None:
        with attempt.asking(None):
            self._api.nvmlInit()
            self._is_open = True
        self._fault = None
        self._limits = {}
        self._relist_at = self._clock()
        with attempt.asking(None):
            self._driver = self._ask.text(self._api.nvmlSystemGetDriverVersion)
            self._driver_cuda = self._cuda_of_driver()

    def _close(self, attempt: Attempt) -> None:
        if not self._is_open or attempt.skip:
            # NVML is not shut down under a call that is still in it.
            return
        self._is_open = False
        try:
            with attempt.asking(None):
                self._api.nvmlShutdown()
        except self._api.NVMLError:
            return  # it is gone already, and that is all that was wanted

    def _give_up(self, state: State, detail: str, attempt: Attempt) -> Reading:
        """Answer with what spoils the whole reading, and plan a fresh start."""
        self._close(attempt)
        lost: tuple[GPU, ...] = ()
        if state is State.LOST:
            lost = tuple(
                dataclasses.replace(known, state=state, detail=detail) for known in self.known()
            )
        self._fault = Reading(state, detail, self._driver, self._driver_cuda, lost)
        self._reopen_at = self._clock() + REOPEN_SECONDS
        return self._fault

    def _cuda_of_driver(self) -> str | None:
        try:
            version = self._api.nvmlSystemGetCudaDriverVersion_v2()
        except self._api.NVMLError:
            return None
        return f"{version // 1000}.{version % 1000 // 10}"

    # -- which devices there are ------------------------------------------------------------

    def _list_devices(self, attempt: Attempt) -> None:
        devices: list[_Device] = []
        with attempt.asking(None):
            count = self._api.nvmlDeviceGetCount()
        if count > _MOST_BOARDS:
            raise _NonsenseError(f"NVML tells of {count} devices")
        for index in range(count):
            if index in attempt.skip:
                devices += self._as_known(index, State.HANGING, "")
                continue
            with attempt.asking(index):
                try:
                    handle = self._api.nvmlDeviceGetHandleByIndex(index)
                    found = self._slices(index, handle) or [self._device(index, handle)]
                except self._api.NVMLError as error:
                    found = self._as_known(index, self._state_of(error), str(error))
            devices += found
        self._devices = devices
        self._relist_at = self._clock() + RELIST_SECONDS

    def _device(self, index: int, handle: Any) -> _Device:
        api = self._api
        known = GPU(
            uuid=self._ask.text(lambda: api.nvmlDeviceGetUUID(handle)) or "",
            index=str(index),
            name=self._ask.text(lambda: api.nvmlDeviceGetName(handle)) or "",
        )
        return _Device(index, handle, handle, self._with_facts(known, handle))

    def _slices(self, index: int, board: Any) -> list[_Device]:
        """The MIG slices of a device that this process can see; empty when MIG is off."""
        api = self._api
        try:
            enabled = api.nvmlDeviceGetMigMode(board)[0] == api.NVML_DEVICE_MIG_ENABLE
            highest = api.nvmlDeviceGetMaxMigDeviceCount(board) if enabled else 0
        except api.NVMLError as error:
            if self._state_of(error) is State.LOST:
                raise
            return []
        slices = []
        for number in range(min(highest, _MOST_SLICES)):
            try:
                handle = api.nvmlDeviceGetMigDeviceHandleByIndex(board, number)
            except api.NVMLError as error:
                if self._state_of(error) is State.LOST:
                    raise
                continue  # the numbers have gaps where no slice is, or none for this process
            known = GPU(
                uuid=self._ask.text(functools.partial(api.nvmlDeviceGetUUID, handle)) or "",
                index=f"{index}:{number}",
                name=self._ask.text(lambda: api.nvmlDeviceGetName(board)) or "",
                mig_profile=self._mig_profile(handle),
            )
            known = self._with_facts(known, board)
            slices.append(_Device(index, handle, board, known, is_slice=True))
        return slices

    def _mig_profile(self, handle: Any) -> str:
        name = self._ask.text(lambda: self._api.nvmlDeviceGetName(handle)) or ""
        found = _MIG_PROFILE.search(name)
        if found:
            return found[1]
        try:
            attributes = self._api.nvmlDeviceGetAttributes(handle)
        except self._api.NVMLError:
            return "MIG"
        gigabytes = round(attributes.memorySizeMB / 1024)
        return f"{attributes.gpuInstanceSliceCount}g.{gigabytes}gb"

    def _as_known(self, index: int, state: State, detail: str) -> list[_Device]:
        """A device that cannot be asked: what was known of it and its slices, in the new state."""
        before = [device.known for device in self._devices if device.board_index == index]
        return [
            _Device(index, None, None, dataclasses.replace(known, state=state, detail=detail))
            for known in before or [GPU(uuid="", index=str(index), name="")]
        ]

    def _with_facts(self, gpu: GPU, board: Any) -> GPU:
        """Limits are asked for once while NVML is open; the memory's health each time."""
        known = self._limits.get(gpu.uuid)
        if known is None or known.index != gpu.index:
            known = self._limits[gpu.uuid] = with_limits(self._ask, gpu, board)
        return with_health(self._ask, known, board)

    # -- how they fare ----------------------------------------------------------------------

    def _read_devices(self, attempt: Attempt) -> Reading:
        gpus = []
        for device in self._devices:
            if device.board_index in attempt.skip:
                gpus.append(dataclasses.replace(device.known, state=State.HANGING))
                continue
            with attempt.asking(device.board_index):
                gpu = self._read_device(device)
            gpus.append(gpu)
        unwell = [gpu for gpu in gpus if gpu.state is not State.OK]
        state, detail = State.OK, ""
        if not gpus:
            state = State.NO_GPU
        elif len(unwell) == len(gpus):
            state, detail = unwell[0].state, unwell[0].detail
        reading = Reading(state, detail, self._driver, self._driver_cuda, tuple(gpus))
        if state is State.NO_GPU or any(gpu.state is not State.HANGING for gpu in unwell):
            # Only a fresh start sees devices that come (back) while NVML is open.
            if self._fault is None:
                self._reopen_at = self._clock() + REOPEN_SECONDS
            self._fault = reading
        else:
            self._fault = None
        return reading

    def _read_device(self, device: _Device) -> GPU:
        if device.handle is None:
            return device.known
        api, metric, board, handle = self._api, self._ask.metric, device.board, device.handle
        try:
            used, total = self._memory(handle)
            return dataclasses.replace(
                device.known,
                utilization_percent=self._utilization(handle, is_slice=device.is_slice),
                memory_used_mib=used,
                memory_total_mib=total,
                temperature_c=metric(
                    lambda: api.nvmlDeviceGetTemperature(board, api.NVML_TEMPERATURE_GPU),
                    highest=200,
                ),
                power_w=self._ask.watts(lambda: api.nvmlDeviceGetPowerUsage(board)),
                sm_clock_mhz=metric(
                    lambda: api.nvmlDeviceGetClockInfo(board, api.NVML_CLOCK_SM), highest=100_000
                ),
                memory_clock_mhz=metric(
                    lambda: api.nvmlDeviceGetClockInfo(board, api.NVML_CLOCK_MEM), highest=100_000
                ),
                throttle=self._throttle(board),
                processes=self._processes(handle),
            )
        except api.NVMLError as error:
            return dataclasses.replace(device.known, state=self._state_of(error), detail=str(error))

    def _utilization(self, handle: Any, *, is_slice: bool) -> Metric:
        if is_slice:
            # NVML has no use of a slice, and the whole device's would mislead.
            return Missing.NOT_SUPPORTED
        return self._ask.metric(
            lambda: self._api.nvmlDeviceGetUtilizationRates(handle).gpu, highest=100
        )

    def _memory(self, handle: Any) -> tuple[Metric, Metric]:
        """Used and total memory in MiB, without what the driver keeps for itself if it can say."""
        api = self._api
        try:
            try:
                memory = api.nvmlDeviceGetMemoryInfo(handle, version=api.nvmlMemory_v2)
            except api.NVMLError as error:
                if self._state_of(error) is State.LOST:
                    raise
                memory = api.nvmlDeviceGetMemoryInfo(handle)
        except api.NVMLError as error:
            missing = self._ask.missing(error)
            return missing, missing
        if not 0 <= memory.used <= memory.total <= _LARGEST_MEMORY:
            return Missing.NONSENSE, Missing.NONSENSE
        return memory.used // MIB, memory.total // MIB

    def _throttle(self, board: Any) -> tuple[str, ...] | Missing:
        try:
            mask = self._api.nvmlDeviceGetCurrentClocksThrottleReasons(board)
        except self._api.NVMLError as error:
            return self._ask.missing(error)
        if not 0 <= mask <= _HIGHEST_THROTTLE_MASK:
            return Missing.NONSENSE
        return tuple(word for bit, word in _THROTTLE_REASONS if mask & bit)

    def _processes(self, handle: Any) -> tuple[Process, ...] | Missing:
        """The processes on a device or slice, one entry for each, as what it is most of all.

        A client of MPS, NVIDIA's way to share a GPU, can be among those that compute, too.
        """
        found: dict[int, Process] = {}
        for kind, word in (("Graphics", "graphics"), ("Compute", "compute"), ("MPSCompute", "mps")):
            if kind == "MPSCompute" and not found:
                continue  # the MPS server itself computes, so without it there are no clients
            try:
                listed = self._list_processes(kind, handle)
            except self._api.NVMLError as error:
                missing = self._ask.missing(error)
                if kind == "Compute":
                    return missing
                continue
            for process in listed:
                found[process.pid] = Process(process.pid, word, _memory_of(process))
        return tuple(sorted(found.values(), key=lambda process: process.pid))

    def _list_processes(self, kind: str, handle: Any) -> list[Any]:
        api = self._api
        version, attempts = "v3", 0
        while True:
            attempts += 1
            try:
                return list(getattr(api, f"nvmlDeviceGet{kind}RunningProcesses_{version}")(handle))
            except api.NVMLError as error:
                if error.value == api.NVML_ERROR_FUNCTION_NOT_FOUND and version == "v3":
                    version = "v2"  # a driver before 510
                elif error.value != api.NVML_ERROR_INSUFFICIENT_SIZE or attempts >= _LIST_ATTEMPTS:
                    raise

    def _state_of(self, error: Any) -> State:
        for name, state in _STATES_BY_ERROR.items():
            if error.value == getattr(self._api, name):
                return state
        return State.FAILED


class _NonsenseError(Exception):
    """NVML has answered what cannot be."""


def _memory_of(process: Any) -> Metric:
    """What a process holds, in MiB."""
    used = process.usedGpuMemory
    if used is None:
        return Missing.NOT_SUPPORTED
    return used // MIB if 0 <= used <= _LARGEST_MEMORY else Missing.NONSENSE
