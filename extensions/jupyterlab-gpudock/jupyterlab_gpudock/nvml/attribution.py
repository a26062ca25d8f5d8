"""Whose are the processes that NVML names: notebook, console, terminal, or nobody's here.

NVML tells the host's PIDs. Without a container in between, those are the PIDs in ``/proc``, and a
process's ancestors tell for certain. In a container they are numbers without a meaning: what is
left is to see which processes of this server use CUDA at all. If there is one such process, and one
that NVML names, they are probably the same. Else it cannot be told, and that is what is said.
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
"""How long an outcome is used for the same processes and owners: it takes a look at many files."""


class Attribution:
    """Adds to each process of a reading whose it is.

    :param processes: the processes of this machine or container
    :param server_pid: the Jupyter server's own
    :param clock: monotonic seconds
    """

    def __init__(
        self,
        processes: Processes | None = None,
        server_pid: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processes = processes or Processes()
        self._server_pid = server_pid or os.getpid()
        self._tells_host_pids: bool | None = None
        self._owners: Mapping[int, Owner] = {}
        self._clock = clock
        self._found: dict[int, _Finding] = {}
        self._found_for: object = None
        self._find_at = 0.0

    def set_owners(self, owners: Mapping[int, Owner]) -> None:
        """Take the kernels and terminals there are now, by PID. From any thread."""
        self._owners = owners

    def annotate(self, reading: Reading) -> Reading:
        """The reading, with an owner for each process that has one. Never raises for a process."""
        pids = {
            process.pid
            for gpu in reading.gpus
            if not isinstance(gpu.processes, Missing)
            for process in gpu.processes
        }
        if not pids:
            return reading
        if self._tells_host_pids is None:
            self._tells_host_pids = self._processes.tells_host_pids()
        known = self._find(pids)
        gpus = tuple(_attributed(gpu, known) for gpu in reading.gpus)
        return dataclasses.replace(reading, gpus=gpus)

    def _find(self, pids: set[int]) -> dict[int, _Finding]:
        """What is known of each PID; the same question is answered anew after some seconds."""
        question, now = (pids, self._owners), self._clock()
        if question != self._found_for or now >= self._find_at:
            look = self._by_pid if self._tells_host_pids else self._by_elimination
            self._found = look(pids)
            self._found_for, self._find_at = question, now + REUSE_SECONDS
        return self._found

    def _by_pid(self, pids: Iterable[int]) -> dict[int, _Finding]:
        found = {}
        for pid in pids:
            line = self._processes.lineage(pid)
            if not line:
                found[pid] = _Finding("unknown", "vanished")
                continue
            owner = self._owner_of(line)
            found[pid] = _Finding(
                "certain", "same_pid" if owner else "foreign", line[0].name, owner
            )
        return found

    def _by_elimination(self, pids: set[int]) -> dict[int, _Finding]:
        """In a container: with one process on either side, they are probably the same."""
        candidates = [
            line
            for pid in self._processes.cuda_users()
            if (line := self._processes.lineage(pid)) and self._owner_of(line)
        ]
        if not candidates:
            return dict.fromkeys(pids, _Finding("unknown", "hidden"))
        if len(pids) > 1 or len(candidates) > 1:
            return dict.fromkeys(pids, _Finding("unknown", "ambiguous"))
        (line,) = candidates
        finding = _Finding("probable", "only_candidate", line[0].name, self._owner_of(line))
        return dict.fromkeys(pids, finding)

    def _owner_of(self, line: list[Seen]) -> Owner | None:
        """Whose a process is, by its ancestors, or by the session that it was started in."""
        owners = self._owners
        for seen in line:
            if seen.pid in owners:
                return owners[seen.pid]
        if line[0].session in owners:
            # It has outlived its parent: a session has the PID of who opened it.
            return owners[line[0].session]
        if any(seen.pid == self._server_pid for seen in line):
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
