"""Limits that kernels and terminals inherit from the server, set before it starts."""

from __future__ import annotations

import os
import resource
from pathlib import Path

_MAX_OPEN_FILES = 2**20
"""More is of no use, and some programs go through all numbers up to their limit."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "PYTHON_CPU_COUNT")
_CGROUP = Path("/sys/fs/cgroup")


def raise_open_files() -> None:
    """Allow as many open files as the engine permits.

    Engines start containers with 1024, which a DataLoader with a few workers reaches.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def limit_threads(cgroup: Path = _CGROUP) -> None:
    """Set how many threads libraries start: as many as the container may use processors.

    Otherwise they start one for each processor of the host. A variable that is set wins.
    """
    cpus = _cpus(cgroup)
    if cpus is not None:
        for name in _THREAD_VARIABLES:
            os.environ.setdefault(name, str(max(1, int(cpus))))


def _cpus(cgroup: Path) -> float | None:
    """Return how many processors the control group may use; None: all."""
    quota, _, period = _text(cgroup / "cpu.max").partition(" ")  # version 2
    if not period:
        quota = _text(cgroup / "cpu" / "cpu.cfs_quota_us")  # version 1
        period = _text(cgroup / "cpu" / "cpu.cfs_period_us")
    try:
        cpus = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return cpus if cpus > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return ""
