"""The one gate to NVML: the only module that calls nvidia-ml-py.

Nothing here runs before the first reading: opening NVML can take seconds on a machine without the
persistence daemon, and on many machines there is no NVML at all.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
import time
from typing import TYPE_CHECKING, Any, Protocol

from jupyterlab_gpudock.readings import GPU, Metric, Missing, Reading, State

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024
REOPEN_SECONDS = 5.0
"""How long to leave NVML alone after a fault before it is closed and opened again."""
RELIST_SECONDS = 10.0
"""How often to list the devices anew: MIG slices come and go while NVML is open."""

_STATES_BY_ERROR = {
    "NVML_ERROR_LIBRARY_NOT_FOUND": State.NO_DRIVER,
    "NVML_ERROR_DRIVER_NOT_LOADED": State.NO_DRIVER,
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": State.VERSION_MISMATCH,
    "NVML_ERROR_GPU_IS_LOST": State.LOST,
    "NVML_ERROR_RESET_REQUIRED": State.LOST,
    "NVML_ERROR_UNKNOWN": State.LOST,
}
_UNSUPPORTED = ("NVML_ERROR_NOT_SUPPORTED", "NVML_ERROR_FUNCTION_NOT_FOUND")
_MIG_PROFILE = re.compile(r"\bMIG (\S+)")


class Gate(Protocol):
    """What the sampler needs: something that can be read, over and over."""

    def read(self) -> Reading:
        """Look at every GPU once. May block; never raises for a fault of a GPU."""


@dataclasses.dataclass(slots=True)
class _Device:
    """A device or MIG slice with what does not change while NVML is open."""

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
        self._is_open = False
        self._fault: Reading | None = None
        self._reopen_at = 0.0
        self._relist_at = 0.0
        self._driver: str | None = None
        self._driver_cuda: str | None = None
        self._devices: list[_Device] = []

    def read(self) -> Reading:
        """Look at every visible GPU once.

        :returns: a reading whose state tells what is wrong, if something is; errors of NVML are
            never raised
        """
        if self._fault is not None:
            if self._clock() >= self._reopen_at:
                self._close()
            elif not self._is_open:
                return self._fault
        if self._api is None:
            self._api = importlib.import_module("pynvml")
        try:
            if not self._is_open:
                self._open()
            if self._clock() >= self._relist_at:
                self._list_devices()
            return self._read_devices()
        except self._api.NVMLError as error:
            return self._give_up(error)

    def _open(self) -> None:
        self._api.nvmlInit()
        self._is_open = True
        self._fault = None
        self._relist_at = self._clock()
        self._driver = _text(self._api.nvmlSystemGetDriverVersion())
        self._driver_cuda = self._cuda_of_driver()

    def _close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._api.nvmlShutdown()
        except self._api.NVMLError:
            return  # it is gone already, and that is all that was wanted

    def _give_up(self, error: Any) -> Reading:
        """Turn an error that spoils the whole reading into a state, and plan a fresh start."""
        state, detail = self._state_of(error), str(error)
        self._close()
        lost: tuple[GPU, ...] = ()
        if state is State.LOST:
            lost = tuple(
                dataclasses.replace(device.known, state=state, detail=detail)
                for device in self._devices
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

    def _list_devices(self) -> None:
        devices: list[_Device] = []
        for index in range(self._api.nvmlDeviceGetCount()):
            try:
                handle = self._api.nvmlDeviceGetHandleByIndex(index)
                devices += self._slices(index, handle) or [self._device(index, handle)]
            except self._api.NVMLError as error:
                devices += self._unreachable(index, error)
        self._devices = devices
        self._relist_at = self._clock() + RELIST_SECONDS

    def _device(self, index: int, handle: Any) -> _Device:
        api = self._api
        known = GPU(
            uuid=_text(api.nvmlDeviceGetUUID(handle)),
            index=str(index),
            name=_text(api.nvmlDeviceGetName(handle)),
        )
        return _Device(handle, handle, self._with_limits(known, handle))

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
        for number in range(highest):
            try:
                handle = api.nvmlDeviceGetMigDeviceHandleByIndex(board, number)
            except api.NVMLError as error:
                if self._state_of(error) is State.LOST:
                    raise
                continue  # the numbers have gaps where no slice is, or none for this process
            known = GPU(
                uuid=_text(api.nvmlDeviceGetUUID(handle)),
                index=f"{index}:{number}",
                name=_text(api.nvmlDeviceGetName(board)),
                mig_profile=self._mig_profile(handle),
            )
            known = self._with_limits(known, board)
            slices.append(_Device(handle, board, known, is_slice=True))
        return slices

    def _mig_profile(self, handle: Any) -> str:
        found = _MIG_PROFILE.search(_text(self._api.nvmlDeviceGetName(handle)))
        if found:
            return found[1]
        try:
            attributes = self._api.nvmlDeviceGetAttributes(handle)
        except self._api.NVMLError:
            return "MIG"
        gigabytes = round(attributes.memorySizeMB / 1024)
        return f"{attributes.gpuInstanceSliceCount}g.{gigabytes}gb"

    def _unreachable(self, index: int, error: Any) -> list[_Device]:
        """A device that cannot be opened: what was known of it and its slices, in the new state."""
        before = [
            device.known
            for device in self._devices
            if device.known.index.partition(":")[0] == str(index)
        ]
        state, detail = self._state_of(error), str(error)
        return [
            _Device(None, None, dataclasses.replace(known, state=state, detail=detail))
            for known in before or [GPU(uuid="", index=str(index), name="")]
        ]

    def _with_limits(self, gpu: GPU, board: Any) -> GPU:
        api = self._api
        return dataclasses.replace(
            gpu,
            temperature_slowdown_c=self._metric(
                lambda: api.nvmlDeviceGetTemperatureThreshold(
                    board, api.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
                ),
                highest=200,
            ),
            power_limit_w=self._metric(
                lambda: api.nvmlDeviceGetEnforcedPowerLimit(board) / 1000, highest=100_000
            ),
            sm_clock_max_mhz=self._metric(
                lambda: api.nvmlDeviceGetMaxClockInfo(board, api.NVML_CLOCK_SM), highest=100_000
            ),
        )

    # -- how they fare ----------------------------------------------------------------------

    def _read_devices(self) -> Reading:
        gpus = tuple(self._read_device(device) for device in self._devices)
        unwell = [gpu for gpu in gpus if gpu.state is not State.OK]
        state, detail = State.OK, ""
        if not gpus:
            state = State.NO_GPU
        elif len(unwell) == len(gpus):
            state, detail = unwell[0].state, unwell[0].detail
        reading = Reading(state, detail, self._driver, self._driver_cuda, gpus)
        if state is State.NO_GPU or unwell:
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
        api, board, handle = self._api, device.board, device.handle
        try:
            used, total = self._memory(handle)
            return dataclasses.replace(
                device.known,
                utilization_percent=self._utilization(handle, is_slice=device.is_slice),
                memory_used_mib=used,
                memory_total_mib=total,
                temperature_c=self._metric(
                    lambda: api.nvmlDeviceGetTemperature(board, api.NVML_TEMPERATURE_GPU),
                    highest=200,
                ),
                power_w=self._metric(
                    lambda: api.nvmlDeviceGetPowerUsage(board) / 1000, highest=100_000
                ),
                sm_clock_mhz=self._metric(
                    lambda: api.nvmlDeviceGetClockInfo(board, api.NVML_CLOCK_SM), highest=100_000
                ),
            )
        except api.NVMLError as error:
            return dataclasses.replace(device.known, state=self._state_of(error), detail=str(error))

    def _utilization(self, handle: Any, *, is_slice: bool) -> Metric:
        if is_slice:
            # NVML has no use of a slice, and the whole device's would mislead.
            return Missing.NOT_SUPPORTED
        return self._metric(
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
            missing = self._missing(error)
            return missing, missing
        if not 0 <= memory.used <= memory.total:
            return Missing.NOT_AVAILABLE, Missing.NOT_AVAILABLE
        return memory.used // MIB, memory.total // MIB

    def _metric(self, call: Callable[[], int | float], *, highest: float) -> Metric:
        """The call's number, or why there is none.

        :raises pynvml.NVMLError: when the GPU is lost
        """
        try:
            value = call()
        except self._api.NVMLError as error:
            return self._missing(error)
        return value if 0 <= value <= highest else Missing.NOT_AVAILABLE

    def _missing(self, error: Any) -> Missing:
        if self._state_of(error) is State.LOST:
            raise error
        unsupported = [getattr(self._api, name) for name in _UNSUPPORTED]
        return Missing.NOT_SUPPORTED if error.value in unsupported else Missing.NOT_AVAILABLE

    def _state_of(self, error: Any) -> State:
        for name, state in _STATES_BY_ERROR.items():
            if error.value == getattr(self._api, name):
                return state
        return State.FAILED


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
