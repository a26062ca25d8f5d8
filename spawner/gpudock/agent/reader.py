"""Rounds over all GPUs of a host, and the way back after a fault."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from gpudock.agent.device import DeviceReader, DeviceRound, LibraryFailedError, Readings
from gpudock.agent.messages import device_message, library_message
from gpudock.agent.report import Report
from gpudock.agent.slice_nodes import NOT_GIVEN, missing_nodes
from gpudock.agent.topology import read_links
from gpudock.language import Message
from gpudock.model import GPUReading, Telemetry, is_gpu_uuid
from gpudock_nvml.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gpudock.model import Link
    from gpudock_nvml.client import NVMLClient
    from gpudock_nvml.values import Pending

# After a fault the library is closed and opened again, after this many rounds: at first soon, then
# less often, because opening it takes long on some hosts and a dead card rarely comes back.
_REOPEN_LIBRARY = (1, 2, 4, 8, 10)
_REOPEN_DEVICE = (5, 10, 20, 40, 60)


class Reader:
    """Reads every GPU of a host through NVML, round by round. Belongs to one thread."""

    def __init__(
        self,
        client: NVMLClient,
        host: str,
        *,
        sees_all_processes: bool,
        clock: Callable[[], float] = time.time,
        missing: Callable[[], Mapping[int, frozenset[int]]] = missing_nodes,
    ) -> None:
        """Make a reader; the driver is first touched by :meth:`read`.

        Args:
            client: the NVML client.
            host: name of the host, for display.
            sees_all_processes: whether the reader runs in the host's PID namespace. NVML hides
                the processes of other namespaces, so without this an empty list would not prove
                that a GPU is unused; processes are then reported as unknown.
            clock: Unix time.
            missing: returns which nodes of MIG slices this process lacks, by their GPU's minor.
        """
        self._client = client
        self._missing = missing
        self._clock = clock
        self._devices = DeviceReader(client, host, sees_all_processes=sees_all_processes)
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
        self._links_are_due = False

    def pending(self) -> Pending | None:
        """Return the NVML call in progress. May be called from another thread."""
        return self._client.pending

    def close(self) -> None:
        """Release the driver's library."""
        self._client.close()
        self._open = False

    def read(self) -> Report:
        """Read all devices once. Failures are in the report; this raises none."""
        if not self._open:
            if self._rounds_to_wait > 0:
                self._rounds_to_wait -= 1
                return self._last
            failure = self._client.open()
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
        self._last = dataclasses.replace(self._last, problem=library_message(failure))
        return self._last

    def _read_all(self) -> Report:
        taken_at = self._clock()
        system = Readings()
        driver_version = system.take("version", self._client.driver_version())
        cuda_version = system.take("version", self._client.cuda_version())
        count = self._client.count()
        if isinstance(count, Failure):
            raise LibraryFailedError(count)
        opened, self._fresh = self._fresh, False
        self._devices.begin_round(opened=opened)
        found = [self._find(index) for index in range(count)]
        present = {uuid for _, uuid, _ in found if uuid is not None}
        readings: list[GPUReading] = []
        mig_enabled: set[str] = set()
        unidentified: list[str] = []
        all_answered = True
        for index, (handle, uuid, identity) in enumerate(found):
            if uuid is not None:
                device = self._explain_missing(self._devices.read(uuid, index, handle))
                all_answered = all_answered and device.answered
                readings.extend(device.readings)
                if device.mig_enabled:
                    mig_enabled.add(uuid)
                self._by_index[index] = uuid
                continue
            all_answered = False
            remembered = self._remembered(index, identity, present)
            readings.extend(remembered)
            if not remembered:
                unidentified.append(f"GPU number {index} cannot be identified. {identity.fault}")
        self._read_links([(uuid, handle) for handle, uuid, _ in found if uuid], opened=opened)
        self._reopen_when_due(all_answered)
        return Report(
            host=self._last.host,
            taken_at=taken_at,
            readings=tuple(readings),
            mig_enabled=frozenset(mig_enabled),
            driver_version=driver_version,
            cuda_version=cuda_version,
            unidentified=tuple(unidentified),
            links=self._links,
        )

    def _read_links(self, devices: list[tuple[str, Any]], *, opened: bool) -> None:
        """Read how the GPUs are connected: once per opening, and when GPUs come or go.

        It can take seconds, so it is done in the round after: the first reading is out by then.
        """
        present = frozenset(uuid for uuid, _ in devices)
        if opened or present != self._linked:
            self._linked, self._links_are_due = present, True
            self._links = tuple(link for link in self._links if {link.one, link.other} <= present)
        elif self._links_are_due:
            self._links_are_due = False
            self._links = read_links(self._client, devices)

    def _explain_missing(self, device: DeviceRound) -> DeviceRound:
        """Distinguish a GPU whose slices this process cannot see from one that has none."""
        whole, *slices = device.readings
        if not device.mig_enabled or slices or whole.fault is not None:
            return device
        if whole.minor is None or whole.minor not in self._missing():
            return device
        whole = dataclasses.replace(whole, fault=NOT_GIVEN, fault_may_pass=True)
        return dataclasses.replace(device, readings=(whole,))

    def _find(self, index: int) -> tuple[Any, str | None, Readings]:
        """Identify the GPU of a number; here every failure is a fault."""
        identity = Readings()
        handle = self._client.handle(index)
        uuid: Any = handle if isinstance(handle, Failure) else self._client.uuid(handle)
        if isinstance(uuid, Failure):
            identity.take("identity", uuid)
            if uuid.is_absence:
                identity.fault = device_message(uuid, "identity")
                identity.fault_may_pass = True
            return None, None, identity
        if not is_gpu_uuid(uuid):
            identity.fault = Message(
                "The driver names it {name}, which is not a UUID.", name=repr(uuid[:80])
            )
            return None, None, identity
        return handle, uuid, identity

    def _remembered(self, index: int, identity: Readings, present: set[str]) -> list[GPUReading]:
        """Report a GPU that can no longer be identified as the last one of its number."""
        uuid = self._by_index.get(index)
        if uuid in present:
            return []
        return [
            dataclasses.replace(
                reading,
                telemetry=Telemetry(),
                fault=identity.fault,
                lost=identity.lost,
                fault_may_pass=identity.fault_may_pass,
            )
            for reading in self._last.readings
            if reading.gpu.physical_uuid == uuid
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
