"""Rounds over all GPUs of a host, and the way back after a fault."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from gpudock.agent.device import Answers, DeviceReader, LibraryFailedError
from gpudock.agent.failures import Failure, Meaning
from gpudock.agent.report import Report
from gpudock.agent.topology import read_links
from gpudock.model import GPUReading, Telemetry, is_gpu_uuid

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.agent.nvml import Gate, Pending
    from gpudock.model import Link

# After a fault the library is opened anew, at first soon and then less often, in rounds: closing
# and opening it takes long on some hosts, and a dead card seldom comes back by itself.
_REOPEN_LIBRARY = (1, 2, 4, 8, 10)
_REOPEN_DEVICE = (5, 10, 20, 40, 60)


class Reader:
    """Reads every GPU of a host through a gate, round by round. Belongs to one thread."""

    def __init__(
        self,
        gate: Gate,
        host: str,
        *,
        sees_all_processes: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make a reader; the driver is first touched by :meth:`read`.

        Args:
            gate: the way to NVML.
            host: name of the host, for display.
            sees_all_processes: whether the reader lives in the host's PID namespace. NVML hides
                the processes of other namespaces, so that without this an empty list would be no
                proof of an unused GPU; processes are then reported as unknown.
            clock: Unix time.
        """
        self._gate = gate
        self._clock = clock
        self._devices = DeviceReader(gate, host, sees_all_processes=sees_all_processes)
        self._last = Report(host=host)
        self._open = False
        self._fresh = False
        self._failed_opens = 0
        self._rounds_to_wait = 0
        self._bad_rounds = 0
        self._reopened = 0
        self._by_index: dict[int, str] = {}
        self._links: tuple[Link, ...] = ()
        self._linked: frozenset[str] = frozenset()

    def pending(self) -> Pending | None:
        """The driver's call that is being made now. May be asked from another thread."""
        return self._gate.pending

    def close(self) -> None:
        """Give the driver's library back."""
        self._gate.close()
        self._open = False

    def read(self) -> Report:
        """Read all devices once. Failures are in the report; none is raised."""
        if not self._open:
            if self._rounds_to_wait > 0:
                self._rounds_to_wait -= 1
                return self._last
            failure = self._gate.open()
            if failure is not None:
                return self._broken(failure)
            self._open = self._fresh = True
        try:
            self._last = self._read_all()
        except LibraryFailedError as error:
            return self._broken(error.failure)
        self._failed_opens = 0
        return self._last

    def _broken(self, failure: Failure) -> Report:
        self.close()
        step = min(self._failed_opens, len(_REOPEN_LIBRARY) - 1)
        self._rounds_to_wait = _REOPEN_LIBRARY[step] - 1
        self._failed_opens += 1
        self._last = dataclasses.replace(self._last, problem=failure.library_sentence())
        return self._last

    def _read_all(self) -> Report:
        taken_at = self._clock()
        system = Answers()
        driver_version = system.take("version", self._gate.driver_version())
        cuda_version = system.take("version", self._gate.cuda_version())
        count = self._gate.count()
        if isinstance(count, Failure):
            raise LibraryFailedError(count)
        opened, self._fresh = self._fresh, False
        self._devices.begin_round(opened=opened)
        found = [self._find(index) for index in range(count)]
        present = {uuid for _, uuid, _ in found if uuid is not None}
        readings: list[GPUReading] = []
        divided: set[str] = set()
        unidentified: list[str] = []
        all_answered = True
        for index, (handle, uuid, answers) in enumerate(found):
            if uuid is not None:
                device = self._devices.read(uuid, index, handle)
                all_answered = all_answered and device.answered
                readings.extend(device.readings)
                if device.divided:
                    divided.add(uuid)
                self._by_index[index] = uuid
                continue
            all_answered = False
            remembered = self._remembered(index, answers, present)
            readings.extend(remembered)
            if not remembered:
                unidentified.append(f"GPU number {index} cannot be identified. {answers.fault}")
        self._relate([(uuid, handle) for handle, uuid, _ in found if uuid], opened=opened)
        self._reopen_when_due(all_answered)
        return Report(
            host=self._last.host,
            taken_at=taken_at,
            readings=tuple(readings),
            divided=frozenset(divided),
            driver_version=driver_version,
            cuda_version=cuda_version,
            unidentified=tuple(unidentified),
            links=self._links,
        )

    def _relate(self, devices: list[tuple[str, Any]], *, opened: bool) -> None:
        """Learn how the GPUs are connected: once for each driver, and when GPUs come or go."""
        present = frozenset(uuid for uuid, _ in devices)
        if opened or present != self._linked:
            self._linked = present
            self._links = read_links(self._gate, devices)

    def _find(self, index: int) -> tuple[Any, str | None, Answers]:
        """Ask who is at a place; here no failure is an absence."""
        answers = Answers()
        handle = self._gate.handle(index)
        uuid: Any = handle if isinstance(handle, Failure) else self._gate.uuid(handle)
        if isinstance(uuid, Failure):
            answers.take("identity", uuid)
            if uuid.meaning is Meaning.ABSENT:
                answers.fault = uuid.device_sentence("identity")
            return None, None, answers
        if not is_gpu_uuid(uuid):
            answers.fault = f"The driver names it {uuid[:80]!r}, which is no UUID."
            return None, None, answers
        return handle, uuid, answers

    def _remembered(self, index: int, answers: Answers, present: set[str]) -> list[GPUReading]:
        """Report a GPU that no longer says who it is as the one that was last at its place."""
        uuid = self._by_index.get(index)
        if uuid in present:
            return []
        return [
            GPUReading(gpu, Telemetry(), answers.fault, answers.lost)
            for gpu in (reading.gpu for reading in self._last.readings)
            if gpu.physical_uuid == uuid
        ]

    def _reopen_when_due(self, all_answered: bool) -> None:
        if all_answered:
            self._bad_rounds = self._reopened = 0
            return
        self._bad_rounds += 1
        if self._bad_rounds >= _REOPEN_DEVICE[min(self._reopened, len(_REOPEN_DEVICE) - 1)]:
            self._bad_rounds = 0
            self._reopened += 1
            self.close()
