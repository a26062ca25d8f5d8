"""How much of its host a user's container may use, where nobody has chosen a number."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpudock.hub.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.config.settings import Settings

_MIB = 1024 * 1024
_MAX_OPEN_FILES = 2**20
"""More is of no use, and some programs go through all numbers up to their limit."""
_DOCKER_MARK = Path("/.dockerenv")
"""A file that Docker puts into each container."""


def memory_limit(settings: Settings) -> Callable[[Any], int | None]:
    """Return the spawner's ``mem_limit``, in bytes.

    The value of ``auto`` depends on the host's memory and GPUs, which are known only when a server
    starts.
    """

    def limit(_spawner: Any) -> int | None:
        runtime = Runtime.instance()
        host_mib = runtime.engine_info.memory_mib if runtime.engine_info else 0
        readings = runtime.inventory.reading().readings
        gpus = sum(not reading.mig_enabled for reading in readings)
        memory_mib = settings.memory_for(host_mib, gpus)
        return None if memory_mib is None else memory_mib * _MIB

    return limit


def open_files(docker_mark: Path = _DOCKER_MARK) -> int | None:
    """Return how many files each process of a container may have open.

    Engines give containers 1024 and let them have more, but start none whose limit is above the
    engine's own. That one no engine reports; the hub's container has it as its hard limit. Where
    the hub is in no container, ``None`` leaves the limit to the engine.
    """
    if not docker_mark.exists():
        return None
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_OPEN_FILES)
