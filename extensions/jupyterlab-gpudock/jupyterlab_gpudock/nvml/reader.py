"""Reads the GPUs of this server through NVML.

Nothing runs before the first reading: opening NVML can take seconds on a machine without the
persistence daemon, and on many machines there is no NVML at all.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from gpudock_nvml.failures import Failure
from gpudock_nvml.mig import read_profile
from gpudock_nvml.simulated import is_simulated
from gpudock_nvml.values import ClockKind, ProcessKind
from jupyterlab_gpudock.nvml.facts import with_health, with_limits
from jupyterlab_gpudock.nvml.guarded import GuardedRead
from jupyterlab_gpudock.nvml.readings import GPU, Missing, Process, Reading, State
from jupyterlab_gpudock.nvml.values import ReadError, optional, present, required, text, watts

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock_nvml.client import NVMLClient

REOPEN_SECONDS = 5.0
"""How long to leave NVML alone after a fault before it is closed and opened again."""
RELIST_SECONDS = 10.0
"""How often to list the devices again: MIG slices come and go while NVML is open."""


@dataclasses.dataclass(slots=True)
class _Device:
    """A device or MIG slice, with what does not change while NVML is open."""

    board_index: int
    handle: Any
    """None for a device that cannot be read."""
    board: Any
    """Handle of the whole device, which has temperature, power and clocks, also for its slices."""
    known: GPU
    """Name, identity and limits, without the changing metrics."""
    is_slice: bool = False


class GPUReader:
    """Reads GPUs through NVML, and opens it again after a fault."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Make a reader.

        Args:
            clock: monotonic seconds.
        """
        self._clock = clock
        self._loaded_client: NVMLClient | None = None
        self._is_open = False
        self._fault: Reading | None = None
        self._reopen_at = 0.0
        self._relist_at = 0.0
        self._driver: str | None = None
        self._driver_cuda: str | None = None
        self._simulated = False
        self._devices: list[_Device] = []
        self._limits: dict[str, GPU] = {}

    def known(self) -> tuple[GPU, ...]:
        """Return what is known of the devices without reading any."""
        return tuple(device.known for device in self._devices)

    def read(self, guard: GuardedRead | None = None) -> Reading:
        """Read every visible GPU once.

        Args:
            guard: which boards to skip; it is kept informed of the board in progress.

        Returns:
            A reading. Failures of NVML are in its state; none is raised.

        Raises:
            AbandonedError: the watchdog gave this read up meanwhile.
        """
        guard = guard or GuardedRead()
        if self._fault is not None:
            if self._clock() >= self._reopen_at:
                self._close(guard)
            elif not self._is_open:
                return self._fault
        try:
            if not self._is_open:
                self._open(guard)
            if self._clock() >= self._relist_at:
                self._list_devices(guard)
            return self._read_devices(guard)
        except ReadError as error:
            return self._give_up(error, guard)

    @property
    def _client(self) -> NVMLClient:
        if self._loaded_client is None:
            # Importing nvidia-ml-py takes a while: it is done here, off the event loop.
            from gpudock_nvml.client import NVMLClient

            self._loaded_client = NVMLClient()
        return self._loaded_client

    def _open(self, guard: GuardedRead) -> None:
        with guard.calling(None):
            failure = self._client.open()
            self._is_open = failure is None
        if failure is not None:
            raise ReadError(failure)
        self._fault = None
        self._limits = {}
        self._simulated = is_simulated()
        self._relist_at = self._clock()
        with guard.calling(None):
            self._driver = text(self._client.driver_version())
            cuda = self._client.cuda_version()
            self._driver_cuda = None if isinstance(cuda, Failure) else cuda

    def _close(self, guard: GuardedRead) -> None:
        if not self._is_open or guard.skip:
            # NVML is not shut down under a call that is still in progress.
            return
        self._is_open = False
        with guard.calling(None):
            self._client.close()

    def _give_up(self, error: ReadError, guard: GuardedRead) -> Reading:
        """Return what spoils the whole reading, and plan a fresh start."""
        self._close(guard)
        lost: tuple[GPU, ...] = ()
        if error.state is State.LOST:
            lost = tuple(
                dataclasses.replace(known, state=error.state, detail=error.detail)
                for known in self.known()
            )
        self._fault = Reading(error.state, error.detail, self._driver, self._driver_cuda, lost)
        self._reopen_at = self._clock() + REOPEN_SECONDS
        return self._fault

    # -- listing the devices ----------------------------------------------------------------

    def _list_devices(self, guard: GuardedRead) -> None:
        devices: list[_Device] = []
        with guard.calling(None):
            count = required(self._client.count())
        for index in range(count):
            if index in guard.skip:
                devices += self._as_known(index, State.HANGING, "")
                continue
            with guard.calling(index):
                try:
                    handle = required(self._client.handle(index))
                    found = self._on_board(index, handle)
                except ReadError as error:
                    found = self._as_known(index, error.state, error.detail)
            devices += found
        self._devices = devices
        self._relist_at = self._clock() + RELIST_SECONDS

    def _on_board(self, index: int, handle: Any) -> list[_Device]:
        """Return the slices of a board in MIG mode, otherwise the board itself."""
        if not optional(self._client.mig_enabled(handle)):
            return [self._device(index, handle)]
        slices = self._slices(index, handle)
        if slices:
            return slices
        device = self._device(index, handle)
        health = ("no_slices", *device.known.health)
        return [dataclasses.replace(device, known=dataclasses.replace(device.known, health=health))]

    def _device(self, index: int, handle: Any) -> _Device:
        known = GPU(
            uuid=text(self._client.uuid(handle)) or "",
            index=str(index),
            name=text(self._client.name(handle)) or "",
            simulated=self._simulated,
        )
        return _Device(index, handle, handle, self._with_facts(known, handle))

    def _slices(self, index: int, board: Any) -> list[_Device]:
        """Return the MIG slices that this process sees of a board in MIG mode."""
        client = self._client
        memory = optional(client.memory(board))
        slices = []
        for number in range(optional(client.slice_count(board)) or 0):
            handle = optional(client.slice(board, number))
            if handle is None:
                continue  # the numbers have gaps where there is no slice, or none for this process
            profile = read_profile(client, handle, memory.total_mib if memory else None)
            known = GPU(
                uuid=text(client.uuid(handle)) or "",
                index=f"{index}:{number}",
                name=text(client.name(board)) or "",
                mig_profile=optional(profile) or "MIG",
                simulated=self._simulated,
            )
            known = self._with_facts(known, board)
            slices.append(_Device(index, handle, board, known, is_slice=True))
        return slices

    def _as_known(self, index: int, state: State, detail: str) -> list[_Device]:
        """Return a device that cannot be read, and its slices, as last known, in this state."""
        before = [device.known for device in self._devices if device.board_index == index]
        return [
            _Device(index, None, None, dataclasses.replace(known, state=state, detail=detail))
            for known in before
            or [GPU(uuid="", index=str(index), name="", simulated=self._simulated)]
        ]

    def _with_facts(self, gpu: GPU, board: Any) -> GPU:
        """Limits are read once while NVML is open; the memory's health each time."""
        known = self._limits.get(gpu.uuid)
        if known is None or known.index != gpu.index:
            known = self._limits[gpu.uuid] = with_limits(self._client, gpu, board)
        return with_health(self._client, known, board)

    # -- reading the devices ----------------------------------------------------------------

    def _read_devices(self, guard: GuardedRead) -> Reading:
        gpus = []
        for device in self._devices:
            if device.board_index in guard.skip:
                gpus.append(dataclasses.replace(device.known, state=State.HANGING))
                continue
            with guard.calling(device.board_index):
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
        client, board, handle = self._client, device.board, device.handle
        try:
            memory = present(client.memory(handle))
            used, total = (
                (memory, memory)
                if isinstance(memory, Missing)
                else (memory.used_mib, memory.total_mib)
            )
            return dataclasses.replace(
                device.known,
                # NVML has no utilization of a slice, and that of the whole device would mislead.
                utilization_percent=Missing.NOT_SUPPORTED
                if device.is_slice
                else present(client.utilization(handle)),
                memory_used_mib=used,
                memory_total_mib=total,
                temperature_c=present(client.temperature(board)),
                power_w=watts(client.power(board)),
                sm_clock_mhz=present(client.clock(board, ClockKind.SM)),
                memory_clock_mhz=present(client.clock(board, ClockKind.MEMORY)),
                throttle=present(client.throttle_reasons(board)),
                processes=self._processes(handle),
            )
        except ReadError as error:
            return dataclasses.replace(device.known, state=error.state, detail=error.detail)

    def _processes(self, handle: Any) -> tuple[Process, ...] | Missing:
        """Return each process once; of several kinds, the last one read applies.

        A client of MPS, NVIDIA's way to share a GPU, can be in the list of those that compute, too.
        """
        found: dict[int, Process] = {}
        for kind in (ProcessKind.GRAPHICS, ProcessKind.COMPUTE, ProcessKind.MPS):
            if kind is ProcessKind.MPS and not found:
                continue  # the MPS server itself computes, so without it there are no clients
            listed = present(self._client.processes(handle, kind))
            if not isinstance(listed, Missing):
                found |= {
                    running.pid: Process(running.pid, kind.value, present(running.memory_mib))
                    for running in listed
                }
            elif kind is ProcessKind.COMPUTE:
                return listed
        return tuple(sorted(found.values(), key=lambda process: process.pid))
