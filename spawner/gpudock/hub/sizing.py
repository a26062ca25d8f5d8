"""How much memory a user's container may use on its host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpudock.hub.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.config.settings import Settings

_MIB = 1024 * 1024


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
