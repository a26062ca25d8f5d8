"""Processes in ``/proc``, any of which may end while it is read."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

from gpudock_nvml.pids import in_host_pid_namespace

_CUDA_NODE = Path("/dev/nvidia-uvm")
"""Open in every process that uses CUDA, and not in one that only reads NVML."""
_MAX_ANCESTORS = 64


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """One process, at one time."""

    pid: int
    parent: int
    session: int
    """The process that called ``setsid`` last: a kernel or a terminal's shell."""
    started: int
    """In the kernel's clock ticks since it booted; with the PID, it names a process for good."""
    name: str


class Processes:
    """Reads the ``/proc`` that is mounted at *root*."""

    def __init__(self, root: Path = Path("/proc")) -> None:
        self._root = root

    def has_host_pids(self) -> bool:
        """Return whether PIDs here are the host's, as NVML reports them."""
        return in_host_pid_namespace(self._root)

    def see(self, pid: int) -> Seen | None:
        """Return the process, or None when it does not exist."""
        try:
            text = (self._root / str(pid) / "stat").read_text(errors="replace")
        except OSError:
            return None
        # The name is in parentheses, and may contain parentheses and spaces itself.
        before, _, rest = text.rpartition(")")
        fields = rest.split()
        try:
            return Seen(
                pid=pid,
                parent=int(fields[1]),
                session=int(fields[3]),
                started=int(fields[19]),
                name=before.partition("(")[2],
            )
        except (IndexError, ValueError):
            return None

    def lineage(self, pid: int) -> list[Seen]:
        """Return the process and its ancestors, nearest first; empty when it does not exist."""
        found: list[Seen] = []
        while pid > 0 and len(found) < _MAX_ANCESTORS:
            seen = self.see(pid)
            if seen is None:
                break
            found.append(seen)
            pid = seen.parent
        return found

    def uses_cuda(self, pid: int) -> bool:
        """Return whether the process has CUDA's device open; False when that cannot be read."""
        try:
            entries = list((self._root / str(pid) / "fd").iterdir())
        except OSError:
            return False
        for entry in entries:
            with contextlib.suppress(OSError):  # closed meanwhile
                if entry.readlink() == _CUDA_NODE:
                    return True
        return False

    def cuda_users(self) -> list[int]:
        """Return the processes that use CUDA, of those that can be read."""
        try:
            names = [entry.name for entry in self._root.iterdir()]
        except OSError:
            return []
        return sorted(pid for pid in map(int, filter(str.isdigit, names)) if self.uses_cuda(pid))
