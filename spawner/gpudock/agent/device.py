"""One device: from NVML's single values to a reading for people and the broker.

A GPU has a fault, and is not granted, when

- it is lost, asks for a reset, or any call for it fails with more than a missing value;
- ECC met memory errors that it could not correct since the driver was loaded: results of what ran
  may be wrong, and the faulty row is only replaced by a reset, which also sets the count to zero;
- faulty memory rows could not be replaced: there are no spares left, the card needs repair;
- faulty pages wait for a reset to be retired (cards before Ampere go on using them until then).

Errors that ECC corrected are no fault, nor are heat, a damaged infoROM, or a row replacement that
is only pending: the driver keeps the row out of use meanwhile, and an uncorrectable error behind it
counts above. A slice has every fault of its GPU. A GPU in MIG mode is well, but only its slices are
granted, never the whole.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

from gpudock.agent.messages import device_message, library_message
from gpudock.language import Message
from gpudock.model import GPU, GPUProcess, GPUReading, Telemetry, is_gpu_uuid
from gpudock_nvml.failures import Failure, Meaning
from gpudock_nvml.mig import read_profile
from gpudock_nvml.simulated import is_simulated
from gpudock_nvml.values import ProcessKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock_nvml.client import NVMLClient
    from gpudock_nvml.values import Running

_T = TypeVar("_T")

# Memory errors and power limits change rarely: they are read in every tenth round.
_SLOW_EVERY = 10


class LibraryFailedError(Exception):
    """The library itself fails; the round is over."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(library_message(failure))
        self.failure = failure


class Readings:
    """Collects the values of one device, and the first failure that is more than an absence."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.fault_may_pass = False
        self.lost = False

    def take(self, what: str, value: _T | Failure) -> _T | None:
        """Return the value, or ``None`` where there is none.

        Raises:
            LibraryFailedError: the library itself fails.
        """
        if not isinstance(value, Failure):
            return value
        if value.concerns_library:
            raise LibraryFailedError(value)
        if not value.is_absence:
            lost = value.meaning is Meaning.LOST
            self.lost = self.lost or lost
            # Of several failures, all have to be of the kind that may pass.
            self.fault_may_pass = value.may_pass and (self.fault is None or self.fault_may_pass)
            if self.fault is None or lost:
                self.fault = device_message(value, what)
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class DeviceRound:
    """What one round found on one GPU.

    Attributes:
        readings: the GPU, then its slices.
        mig_enabled: MIG mode is on.
        answered: every call returned a value, or that there is none.
    """

    readings: tuple[GPUReading, ...]
    mig_enabled: bool
    answered: bool


class DeviceReader:
    """Reads single GPUs, and keeps between rounds what need not be read every time."""

    def __init__(self, client: NVMLClient, host: str, *, sees_all_processes: bool) -> None:
        """Make a reader; see :class:`gpudock.agent.reader.Reader` for the arguments."""
        self._client = client
        self._host = host
        self._sees_all_processes = sees_all_processes
        self._round = -1
        self._simulated = False
        self._identities: dict[str, GPU] = {}
        self._minors: dict[str, int] = {}
        self._mig_enabled: dict[str, bool] = {}
        self._slow: dict[str, tuple[str | None, float | None]] = {}
        self._names: dict[int, str | None] = {}
        self._named: set[int] = set()

    def begin_round(self, *, opened: bool) -> None:
        """Start a round; *opened*: the library was opened since the last one."""
        self._round = 0 if opened else self._round + 1
        if opened:
            self._simulated = is_simulated()
            self._minors.clear()
            self._slow.clear()
        self._names = {pid: name for pid, name in self._names.items() if pid in self._named}
        self._named = set()

    def read(self, uuid: str, index: int, handle: Any) -> DeviceRound:
        """Read a GPU and its slices.

        Raises:
            LibraryFailedError: the library itself fails.
        """
        readings = Readings()
        gpu = self._identify(uuid, index, handle, readings)
        mig_enabled = self._mig_mode(uuid, handle, readings)
        minor = self._minor(uuid, handle, readings)
        memory_fault, power_limit = self._health(gpu, handle, readings)
        telemetry = self._telemetry(handle, readings, power_limit)
        slices: list[GPUReading] = []
        if mig_enabled:
            # The processes of a GPU in MIG mode belong to its slices.
            telemetry = dataclasses.replace(telemetry, processes=None)
            slices = self._read_slices(gpu, handle, readings, telemetry.temperature_c)
        fault = readings.fault or memory_fault
        may_pass = memory_fault is None and readings.fault_may_pass
        whole = GPUReading(gpu, telemetry, fault, readings.lost, may_pass, minor)
        slices = [dataclasses.replace(part, minor=minor) for part in slices]
        if fault is not None:
            slices = [
                dataclasses.replace(
                    part,
                    fault=part.fault or fault,
                    lost=part.lost or readings.lost,
                    fault_may_pass=may_pass and (part.fault is None or part.fault_may_pass),
                )
                for part in slices
            ]
        found = (dataclasses.replace(it, simulated=self._simulated) for it in (whole, *slices))
        return DeviceRound(tuple(found), mig_enabled, readings.fault is None)

    def _mig_mode(self, uuid: str, handle: Any, readings: Readings) -> bool:
        """Return whether MIG mode is on; a GPU that does not answer keeps the mode it had."""
        enabled = readings.take("MIG mode", self._client.mig_enabled(handle))
        if enabled is not None:
            self._mig_enabled[uuid] = enabled
        return self._mig_enabled.get(uuid, False)

    def _identify(self, uuid: str, index: int, handle: Any, readings: Readings) -> GPU:
        known = self._identities.get(uuid)
        if known is not None:
            return known if known.index == index else dataclasses.replace(known, index=index)
        name = readings.take("name", self._client.name(handle))
        memory = readings.take("memory", self._client.memory(handle))
        gpu = GPU(
            uuid,
            index,
            self._host,
            name or "unknown model",
            0 if memory is None else memory.total_mib,
        )
        if name is not None and memory is not None:
            self._identities[uuid] = gpu
        return gpu

    def _minor(self, uuid: str, handle: Any, readings: Readings) -> int | None:
        if uuid not in self._minors:
            minor = readings.take("device node", self._client.minor(handle))
            if minor is None:
                return None
            self._minors[uuid] = minor
        return self._minors[uuid]

    def _telemetry(
        self,
        handle: Any,
        readings: Readings,
        power_limit: float | None,
        belongs: Callable[[Running], bool] = lambda _: True,
    ) -> Telemetry:
        take, client = readings.take, self._client
        memory = take("memory", client.memory(handle))
        telemetry = Telemetry(
            utilization_percent=take("utilization", client.utilization(handle)),
            memory_used_mib=None if memory is None else memory.used_mib,
            temperature_c=take("temperature", client.temperature(handle)),
            power_w=take("power", client.power(handle)),
            power_limit_w=power_limit,
            processes=self._processes(handle, readings, belongs),
        )
        return Telemetry() if readings.lost else telemetry

    def _processes(
        self, handle: Any, readings: Readings, belongs: Callable[[Running], bool]
    ) -> tuple[GPUProcess, ...] | None:
        compute, graphics = (
            readings.take("processes", self._client.processes(handle, kind))
            for kind in (ProcessKind.COMPUTE, ProcessKind.GRAPHICS)
        )
        if compute is None or not self._sees_all_processes:
            return None
        memory: dict[int, int | None] = {}
        computing = {running.pid for running in compute if belongs(running)}
        for running in (*compute, *(graphics or ())):
            if belongs(running):
                # A process with both kinds of context is in both lists, with the same memory.
                used = None if isinstance(running.memory_mib, Failure) else running.memory_mib
                memory[running.pid] = used or memory.get(running.pid)
        return tuple(
            GPUProcess(pid, used, self._name(pid), computes=pid in computing)
            for pid, used in sorted(memory.items())
        )

    def _name(self, pid: int) -> str | None:
        self._named.add(pid)
        if pid not in self._names:
            name = self._client.process_name(pid)
            self._names[pid] = None if isinstance(name, Failure) else name
        return self._names[pid]

    def _health(self, gpu: GPU, handle: Any, readings: Readings) -> tuple[str | None, float | None]:
        """Return what is wrong with the memory, if anything, and the power limit in W."""
        known = self._slow.get(gpu.uuid)
        if known is not None and self._round % _SLOW_EVERY:
            return known
        take, client = readings.take, self._client
        errors = take("memory errors", client.uncorrected_errors(handle))
        rows = take("memory rows", client.row_remapping(handle))
        pages = take("retired pages", client.page_retirement_pending(handle))
        fault = None
        if rows is not None and rows.failed:
            fault = Message(
                "The GPU has faulty memory rows and no spare ones left to replace them. It needs "
                "repair: take it out of use and ask its vendor."
            )
        elif errors:
            fault = Message(
                "The GPU had {errors} memory errors that ECC could not correct, so results of what"
                " ran on it may be wrong. Reset it with `nvidia-smi --gpu-reset` when nothing uses"
                " it, or reboot the host; if errors come back, have the card checked.",
                errors=errors,
            )
        elif pages:
            fault = Message(
                "The GPU still uses faulty memory pages, which are retired at its next reset. "
                "Reset it with `nvidia-smi --gpu-reset` when nothing uses it, or reboot the host."
            )
        found = (fault, take("power limit", client.power_limit(handle)))
        if readings.fault is None:
            self._slow[gpu.uuid] = found
        return found

    def _read_slices(
        self, parent: GPU, handle: Any, readings: Readings, temperature: int | None
    ) -> list[GPUReading]:
        """Read the slices of a GPU; the chip's temperature is theirs too."""
        take, client = readings.take, self._client
        slices = []
        for number in range(take("slices", client.slice_count(handle)) or 0):
            part = take("slices", client.slice(handle, number))
            uuid = None if part is None else take("slices", client.uuid(part))
            if uuid is None or not is_gpu_uuid(uuid):
                continue
            own = Readings()
            gpu = self._identify_slice(uuid, parent, part, own)
            instances = own.take("slices", client.slice_instances(part))
            telemetry = self._telemetry(part, own, None, _in_instances(instances))
            if telemetry.temperature_c is None and not own.lost:
                telemetry = dataclasses.replace(telemetry, temperature_c=temperature)
            slices.append(
                GPUReading(
                    gpu,
                    telemetry,
                    own.fault,
                    own.lost,
                    own.fault_may_pass,
                    mig_number=number,
                )
            )
        return slices

    def _identify_slice(self, uuid: str, parent: GPU, part: Any, readings: Readings) -> GPU:
        # Read in each round: a UUID may come back with another shape when slices are recut.
        memory = readings.take("memory", self._client.memory(part))
        profile = readings.take("shape", read_profile(self._client, part, parent.memory_mib))
        return GPU(
            uuid,
            parent.index,
            parent.host,
            f"{parent.model} MIG {profile}" if profile else f"{parent.model} MIG",
            0 if memory is None else memory.total_mib,
            parent_uuid=parent.uuid,
            mig_profile=profile,
        )


def _in_instances(instances: tuple[int, int] | None) -> Callable[[Running], bool]:
    """Choose the processes of one slice, which include those that name no instance."""

    def belongs(running: Running) -> bool:
        if instances is None or running.gpu_instance is None:
            return True
        gpu, compute = instances
        return running.gpu_instance == gpu and running.compute_instance in (compute, None)

    return belongs
