"""The owner of each process that NVML reports: notebook, console, terminal, or none of this server.

NVML reports the host's PIDs. Without a container those are the PIDs in ``/proc``, and a process's
ancestors show its owner for certain. In a container they have no meaning, and all that can be seen
is which processes of this server use CUDA. If there is one such process and NVML reports one, they
are probably the same; otherwise the owner is unknown.
"""

from __future__ import annotations

import dataclasses
import os
import time
from typing import TYPE_CHECKING

from jupyterlab_gpudock.nvml.procfs import Processes, Seen
from jupyterlab_gpudock.nvml.readings import GPU, Missing, Process, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Owner = dict[str, str]
"""As ``Owner`` in the contract."""

REUSE_SECONDS = 5.0
"""How long a result is used for the same processes and owners: it takes many file reads."""


class Attribution:
    """Adds its owner to each process of a reading."""

    def __init__(
        self,
        processes: Processes | None = None,
        server_pid: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make an attribution.

        Args:
            processes: the processes of this machine or container.
            server_pid: of the Jupyter server.
            clock: monotonic seconds.
        """
        self._processes = processes or Processes()
        self._server_pid = server_pid or os.getpid()
        self._has_host_pids: bool | None = None
        self._owners: Mapping[int, Owner] = {}
        self._clock = clock
        self._found: dict[int, _Finding] = {}
        self._found_for: object = None
        self._find_at = 0.0

    def set_owners(self, owners: Mapping[int, Owner]) -> None:
        """Set the current kernels and terminals, by PID. From any thread."""
        self._owners = owners

    def annotate(self, reading: Reading) -> Reading:
        """Return the reading with the owners of its processes. Never raises for a process."""
        pids = {
            process.pid
            for gpu in reading.gpus
            if not isinstance(gpu.processes, Missing)
            for process in gpu.processes
        }
        if not pids:
            return reading
        if self._has_host_pids is None:
            self._has_host_pids = self._processes.has_host_pids()
        known = self._find(pids)
        gpus = tuple(_attributed(gpu, known) for gpu in reading.gpus)
        return dataclasses.replace(reading, gpus=gpus)

    def _find(self, pids: set[int]) -> dict[int, _Finding]:
        """Return what is known of each PID; the same query is repeated after some seconds."""
        query, now = (pids, self._owners), self._clock()
        if query != self._found_for or now >= self._find_at:
            find = self._by_pid if self._has_host_pids else self._by_elimination
            self._found = find(pids)
            self._found_for, self._find_at = query, now + REUSE_SECONDS
        return self._found

    def _by_pid(self, pids: Iterable[int]) -> dict[int, _Finding]:
        found = {}
        for pid in pids:
            lineage = self._processes.lineage(pid)
            if not lineage:
                found[pid] = _Finding("unknown", "vanished")
                continue
            owner = self._owner_of(lineage)
            found[pid] = _Finding(
                "certain", "same_pid" if owner else "foreign", lineage[0].name, owner
            )
        return found

    def _by_elimination(self, pids: set[int]) -> dict[int, _Finding]:
        """Match PIDs in a container: one process on either side is probably the same."""
        candidates = [
            lineage
            for pid in self._processes.cuda_users()
            if (lineage := self._processes.lineage(pid)) and self._owner_of(lineage)
        ]
        if not candidates:
            return dict.fromkeys(pids, _Finding("unknown", "hidden"))
        if len(pids) > 1 or len(candidates) > 1:
            return dict.fromkeys(pids, _Finding("unknown", "ambiguous"))
        (lineage,) = candidates
        finding = _Finding("probable", "only_candidate", lineage[0].name, self._owner_of(lineage))
        return dict.fromkeys(pids, finding)

    def _owner_of(self, lineage: list[Seen]) -> Owner | None:
        """Return the owner of a process, by its ancestors or its session."""
        owners = self._owners
        for seen in lineage:
            if seen.pid in owners:
                return owners[seen.pid]
        if lineage[0].session in owners:
            # It has outlived its parent: a session has the PID of the process that opened it.
            return owners[lineage[0].session]
        if any(seen.pid == self._server_pid for seen in lineage):
            return {"kind": "server"}
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class _Finding:
    """What is known of one PID."""

    certainty: str
    reason: str
    name: str | None = None
    owner: Owner | None = None


def _attributed(gpu: GPU, known: Mapping[int, _Finding]) -> GPU:
    if isinstance(gpu.processes, Missing) or not gpu.processes:
        return gpu
    processes = tuple(_with(process, known[process.pid]) for process in gpu.processes)
    return dataclasses.replace(gpu, processes=processes)


def _with(process: Process, finding: _Finding) -> Process:
    return dataclasses.replace(
        process,
        name=finding.name,
        certainty=finding.certainty,
        reason=finding.reason,
        owner=finding.owner,
    )
