"""One device: from NVML's single values to a reading for people and the broker.

What makes a GPU unfit to be given out (its reading carries a fault):

- it is lost, asks for a reset, or any call for it fails in a way other than «not supported»;
- ECC met memory errors that it could not correct since the driver was loaded: results of what ran
  may be wrong, and the faulty row is only replaced by a reset, which also sets the count to zero;
- faulty memory rows could not be replaced: there are no spares left, the card needs repair;
- faulty pages wait for a reset to be retired (cards before Ampere go on using them until then).

What does not: errors that ECC corrected, a row replacement that is only pending (the driver keeps
the row out of use meanwhile; an uncorrectable error behind it counts above), heat, a damaged
infoROM. A slice has every fault of its GPU. MIG mode is no fault, but the GPU is marked as divided:
its slices are given out, never the whole.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Any

from gpudock.agent.failures import Failure, Meaning
from gpudock.model import GPU, GPUProcess, GPUReading, Telemetry, is_gpu_uuid

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.agent.nvml import Gate, Running

_MIB = 1024 * 1024
_PROFILE_IN_NAME = re.compile(r"\bMIG\s+(\S+)\s*$")

# Memory errors and power limits change rarely: they are read in every tenth round.
_SLOW_EVERY = 10


class LibraryFailedError(Exception):
    """The library itself answers no more; the round is over."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.library_sentence())
        self.failure = failure


class Answers:
    """Collects the values of one device, and the first failure that is more than an absence."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.lost = False

    def take(self, what: str, answer: Any) -> Any:
        """Return the value, or ``None`` where there is none."""
        if not isinstance(answer, Failure):
            return answer
        if answer.meaning is Meaning.LIBRARY:
            raise LibraryFailedError(answer)
        if answer.meaning is not Meaning.ABSENT:
            self.lost = self.lost or answer.meaning is Meaning.LOST
            if self.fault is None or answer.meaning is Meaning.LOST:
                self.fault = answer.device_sentence(what)
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class DeviceRound:
    """What one round found on one GPU.

    Attributes:
        readings: the GPU, then its slices.
        divided: MIG mode is on.
        answered: every call came back with a value or with «not supported».
    """

    readings: tuple[GPUReading, ...]
    divided: bool
    answered: bool


class DeviceReader:
    """Reads single GPUs. Remembers between rounds what need not be asked every time."""

    def __init__(self, gate: Gate, host: str, *, sees_all_processes: bool) -> None:
        """Make a reader; see :class:`gpudock.agent.reader.Reader` for the arguments."""
        self._gate = gate
        self._host = host
        self._sees_all_processes = sees_all_processes
        self._round = -1
        self._identities: dict[str, GPU] = {}
        self._slow: dict[str, tuple[str | None, float | None]] = {}
        self._names: dict[int, str | None] = {}
        self._named: set[int] = set()

    def begin_round(self, *, opened: bool) -> None:
        """Start a round; *opened* says that the library was opened since the last one."""
        self._round = 0 if opened else self._round + 1
        if opened:
            self._slow.clear()
        self._names = {pid: name for pid, name in self._names.items() if pid in self._named}
        self._named = set()

    def read(self, uuid: str, index: int, handle: Any) -> DeviceRound:
        """Read a GPU and its slices.

        Raises:
            LibraryFailedError: the library answers no more.
        """
        answers = Answers()
        gpu = self._identify(uuid, index, handle, answers)
        divided = bool(answers.take("MIG mode", self._gate.mig_enabled(handle)))
        ill, power_limit = self._health(gpu, handle, answers)
        telemetry = self._telemetry(handle, answers, power_limit)
        slices: list[GPUReading] = []
        if divided:
            # The processes of a divided GPU belong to its slices.
            telemetry = dataclasses.replace(telemetry, processes=None)
            slices = self._read_slices(gpu, handle, answers, telemetry.temperature_c)
        fault = answers.fault or ill
        whole = GPUReading(gpu, telemetry, fault, answers.lost)
        if fault is not None:
            slices = [
                dataclasses.replace(part, fault=part.fault or fault, lost=part.lost or answers.lost)
                for part in slices
            ]
        return DeviceRound((whole, *slices), divided, answers.fault is None)

    def _identify(self, uuid: str, index: int, handle: Any, answers: Answers) -> GPU:
        known = self._identities.get(uuid)
        if known is not None:
            return known if known.index == index else dataclasses.replace(known, index=index)
        name = answers.take("name", self._gate.name(handle))
        memory = answers.take("memory", self._gate.memory(handle))
        gpu = GPU(
            uuid,
            index,
            self._host,
            name or "unknown model",
            0 if memory is None else memory.total // _MIB,
        )
        if name is not None and memory is not None:
            self._identities[uuid] = gpu
        return gpu

    def _telemetry(
        self,
        handle: Any,
        answers: Answers,
        power_limit: float | None,
        belongs: Callable[[Running], bool] = lambda _: True,
    ) -> Telemetry:
        memory = answers.take("memory", self._gate.memory(handle))
        utilization = answers.take("utilization", self._gate.utilization(handle))
        temperature = answers.take("temperature", self._gate.temperature(handle))
        power = answers.take("power", self._gate.power(handle))
        processes = self._processes(handle, answers, belongs)
        if answers.lost:
            return Telemetry()
        return Telemetry(
            utilization_percent=None if utilization is None else min(utilization, 100),
            memory_used_mib=None if memory is None else memory.used // _MIB,
            temperature_c=temperature,
            power_w=None if power is None else power / 1000,
            power_limit_w=power_limit,
            processes=processes,
        )

    def _processes(
        self, handle: Any, answers: Answers, belongs: Callable[[Running], bool]
    ) -> tuple[GPUProcess, ...] | None:
        compute = answers.take("processes", self._gate.compute_processes(handle))
        graphics = answers.take("processes", self._gate.graphics_processes(handle))
        if compute is None or not self._sees_all_processes:
            return None
        memory: dict[int, int | None] = {}
        for running in (*compute, *(graphics or ())):
            if belongs(running):
                # A process with both kinds of context is in both lists, with the same memory.
                memory[running.pid] = running.memory or memory.get(running.pid)
        return tuple(
            GPUProcess(pid, None if used is None else used // _MIB, self._name(pid))
            for pid, used in sorted(memory.items())
        )

    def _name(self, pid: int) -> str | None:
        self._named.add(pid)
        if pid not in self._names:
            name = self._gate.process_name(pid)
            self._names[pid] = None if isinstance(name, Failure) else name
        return self._names[pid]

    def _health(self, gpu: GPU, handle: Any, answers: Answers) -> tuple[str | None, float | None]:
        """Return what is wrong with the memory, if anything, and the power limit in W."""
        known = self._slow.get(gpu.uuid)
        if known is not None and self._round % _SLOW_EVERY:
            return known
        errors = answers.take("memory errors", self._gate.uncorrected_errors(handle))
        rows = answers.take("memory rows", self._gate.row_remapping(handle))
        pages = answers.take("retired pages", self._gate.page_retirement_pending(handle))
        limit = answers.take("power limit", self._gate.power_limit(handle))
        ill = None
        if rows is not None and rows.failed:
            ill = (
                "The GPU has faulty memory rows and no spare ones left to replace them. It needs "
                "repair: take it out of use and ask its vendor."
            )
        elif errors:
            ill = (
                f"The GPU had {errors} memory errors that ECC could not correct, so results of "
                "what ran on it may be wrong. Reset it with `nvidia-smi --gpu-reset` when nothing "
                "uses it, or reboot the host; if errors come back, have the card checked."
            )
        elif pages:
            ill = (
                "The GPU still uses faulty memory pages, which are retired at its next reset. "
                "Reset it with `nvidia-smi --gpu-reset` when nothing uses it, or reboot the host."
            )
        found = (ill, None if limit is None else limit / 1000)
        if answers.fault is None:
            self._slow[gpu.uuid] = found
        return found

    def _read_slices(
        self, parent: GPU, handle: Any, answers: Answers, temperature: int | None
    ) -> list[GPUReading]:
        """Read the slices of a divided GPU; the chip's temperature is theirs too."""
        slices = []
        for number in range(answers.take("slices", self._gate.slice_count(handle)) or 0):
            part = answers.take("slices", self._gate.slice(handle, number))
            uuid = None if part is None else answers.take("slices", self._gate.uuid(part))
            if uuid is None or not is_gpu_uuid(uuid):
                continue
            values = Answers()
            gpu = self._identify_slice(uuid, parent, part, values)
            instances = values.take("slices", self._gate.slice_instances(part))
            telemetry = self._telemetry(part, values, None, _in_instances(instances))
            if telemetry.temperature_c is None and not values.lost:
                telemetry = dataclasses.replace(telemetry, temperature_c=temperature)
            slices.append(GPUReading(gpu, telemetry, values.fault, values.lost))
        return slices

    def _identify_slice(self, uuid: str, parent: GPU, part: Any, answers: Answers) -> GPU:
        # Asked anew in each round: a UUID may come back with another shape when slices are recut.
        memory = answers.take("memory", self._gate.memory(part))
        profile = self._profile(parent, part, answers)
        return GPU(
            uuid,
            parent.index,
            parent.host,
            f"{parent.model} MIG {profile}" if profile else f"{parent.model} MIG",
            0 if memory is None else memory.total // _MIB,
            parent_uuid=parent.uuid,
            mig_profile=profile,
        )

    def _profile(self, parent: GPU, part: Any, answers: Answers) -> str | None:
        """Tell the profile, for example ``1g.5gb``, from the slice's name or from its shape."""
        name = answers.take("name", self._gate.name(part))
        match = _PROFILE_IN_NAME.search(name or "")
        if match:
            return match.group(1)
        shape = answers.take("shape", self._gate.slice_shape(part))
        if shape is None or not parent.memory_mib:
            return None
        # Profiles are named after eighths of the memory on the box, not after what is usable.
        eighths = math.ceil(8 * shape.memory_mib / parent.memory_mib)
        gigabytes = round(eighths / 8 * math.ceil(parent.memory_mib / 1024))
        compute = "" if shape.compute_slices == shape.gpu_slices else f"{shape.compute_slices}c."
        return f"{compute}{shape.gpu_slices}g.{gigabytes}gb"


def _in_instances(instances: tuple[int, int] | None) -> Callable[[Running], bool]:
    """Choose the processes of one slice; one that names no instance is taken as the slice's."""

    def belongs(running: Running) -> bool:
        if instances is None or running.gpu_instance is None:
            return True
        gpu, compute = instances
        return running.gpu_instance == gpu and running.compute_instance in (compute, None)

    return belongs
