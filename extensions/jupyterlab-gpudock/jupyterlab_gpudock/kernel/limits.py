"""What this server may use of its host, and what it uses.

In a container the limits of memory, processes and processors are those of its control group, of
version 2 or 1. Whatever cannot be read is None.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jupyterlab_gpudock.contract import LimitsDocument, UsageDocument

_MIB = 1024 * 1024
_KIB_PER_MIB = 1024
# cgroup v1 has no word for "no limit", but a number of bytes that no host has.
_NO_LIMIT_BYTES = 2**60


def shm_mib(path: Path) -> tuple[float, float]:
    """Return the size of a file system in memory, and what is used of it, in MiB."""
    found = os.statvfs(path)
    unit = found.f_frsize / _MIB
    return found.f_blocks * unit, (found.f_blocks - found.f_bfree) * unit


class LimitReader:
    """Reads limits from the files of the kernel."""

    def __init__(
        self,
        root: Path = Path("/"),
        environ: Mapping[str, str] = os.environ,
        shm: Callable[[Path], tuple[float, float]] = shm_mib,
    ) -> None:
        """Make a reader; it reads nothing yet.

        Args:
            root: the folder with ``proc``, ``sys`` and ``dev``.
            environ: the environment of this server, which its kernels inherit.
            shm: returns size and use of ``/dev/shm`` in MiB.
        """
        self._proc = root / "proc"
        self._shm_path = root / "dev" / "shm"
        self._cgroup = root / "sys" / "fs" / "cgroup"
        self._environ = environ
        self._shm = shm

    def read(self, pid: int) -> LimitsDocument:
        """Return the limits; those of open files are those of the process *pid*."""
        return {
            "memory_mib": self._memory(),
            "memory_kills": self.memory_kills(),
            "host_memory_mib": self._host_memory(),
            "shm_mib": self._shared_memory(),
            "open_files": self._open_files(pid),
            "processes": {
                "limit": self._number("pids.max", "pids/pids.max"),
                "used": self._number("pids.current", "pids/pids.current"),
            },
            "cpus": self._cpus(),
            "threads": _integer(self._environ.get("OMP_NUM_THREADS", "").partition(",")[0]),
        }

    def memory_kills(self) -> int | None:
        """Return how many processes of the container were killed because memory ran out."""
        return self._of_table("oom_kill", "memory.events", "memory/memory.oom_control")

    def memory_limit_hits(self) -> int | None:
        """Return how often the container's own limit left no memory; None with cgroup v1."""
        return self._of_table("oom", "memory.events", None)

    def process_limit_hits(self) -> int | None:
        """Return how often no process or thread could be started because of the limit."""
        return self._of_table("max", "pids.events", "pids/pids.events")

    def _memory(self) -> UsageDocument:
        limit = self._number("memory.max", "memory/memory.limit_in_bytes")
        used = self._number("memory.current", "memory/memory.usage_in_bytes")
        name = "inactive_file" if self._is_v2() else "total_inactive_file"
        caches = self._of_table(name, "memory.stat", "memory/memory.stat") or 0
        return {
            "limit": None if limit is None or limit >= _NO_LIMIT_BYTES else limit / _MIB,
            "used": None if used is None else max(0, used - caches) / _MIB,
        }

    def _host_memory(self) -> UsageDocument:
        table = _table(_text(self._proc / "meminfo"))
        total, available = table.get("MemTotal"), table.get("MemAvailable")
        if total is None or available is None:
            return {"limit": None, "used": None}
        return {"limit": total / _KIB_PER_MIB, "used": (total - available) / _KIB_PER_MIB}

    def _shared_memory(self) -> UsageDocument:
        try:
            size, used = self._shm(self._shm_path)
        except OSError:
            return {"limit": None, "used": None}
        return {"limit": size, "used": used}

    def _open_files(self, pid: int) -> UsageDocument:
        process = self._proc / str(pid)
        limit = None
        for line in _text(process / "limits").splitlines():
            if line.startswith("Max open files"):
                limit = _integer(line.removeprefix("Max open files").split()[0])
        try:
            used = len(os.listdir(process / "fd"))  # noqa: PTH208  only their number counts
        except OSError:
            used = None
        return {"limit": limit, "used": used}

    def _cpus(self) -> float | None:
        if self._is_v2():
            quota, _, period = _text(self._cgroup / "cpu.max").partition(" ")
        else:
            quota = _text(self._cgroup / "cpu" / "cpu.cfs_quota_us")
            period = _text(self._cgroup / "cpu" / "cpu.cfs_period_us")
        microseconds, each = _integer(quota), _integer(period)
        if microseconds is None or not each:
            return None
        return microseconds / each

    def _is_v2(self) -> bool:
        return (self._cgroup / "cgroup.controllers").exists()

    def _number(self, v2: str, v1: str) -> int | None:
        return _integer(_text(self._cgroup / (v2 if self._is_v2() else v1)))

    def _of_table(self, name: str, v2: str, v1: str | None) -> int | None:
        file = v2 if self._is_v2() else v1
        return None if file is None else _table(_text(self._cgroup / file)).get(name)


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""


def _table(text: str) -> dict[str, int]:
    """Return the numbers of a file whose lines are a name and a number."""
    rows = (line.split() for line in text.splitlines())
    return {row[0].rstrip(":"): int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _integer(text: str) -> int | None:
    """Return a number that is not negative, or None for anything else, such as ``max``."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() else None
