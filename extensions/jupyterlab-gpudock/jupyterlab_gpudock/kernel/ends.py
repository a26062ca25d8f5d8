"""Why kernels ended that nobody had asked to.

The restarter of Jupyter notices that a kernel is gone, and says no more than that. Here the exit
code of its process and the counters of the container's limits are read in that moment, before a new
process takes its place.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyterlab_gpudock.contract import KernelEnd, KernelEndsDocument
    from jupyterlab_gpudock.kernel.limits import LimitReader

log = logging.getLogger(__name__)

_MAX_ENDS = 64

Cause = Literal["memory", "host_memory", "shm", "processes", "signal", "exit"]


@dataclass(frozen=True, slots=True)
class Counters:
    """How often limits of the container were reached since its start; None: unknown.

    Attributes:
        memory_kills: processes that were killed because memory ran out.
        memory_limit_hits: how often the container's own limit left no memory.
        process_limit_hits: how often no process or thread could be started.
    """

    memory_kills: int | None
    memory_limit_hits: int | None
    process_limit_hits: int | None

    @classmethod
    def read(cls, reader: LimitReader) -> Counters:
        """Return the counters of now."""
        return cls(reader.memory_kills(), reader.memory_limit_hits(), reader.process_limit_hits())


def cause_of(code: int | None, before: Counters, now: Counters) -> Cause:
    """Return the limit that ended a process, as far as the evidence goes.

    Args:
        code: its exit code; a signal is negative. None: unknown.
        before: the counters when it started.
        now: the counters after its end.
    """
    if code == -signal.SIGKILL and _rose(before.memory_kills, now.memory_kills):
        # A host that ran out of memory also kills in containers that are below their limits.
        is_own = now.memory_limit_hits is None or _rose(
            before.memory_limit_hits, now.memory_limit_hits
        )
        return "memory" if is_own else "host_memory"
    if code == -signal.SIGBUS:
        return "shm"
    if code and _rose(before.process_limit_hits, now.process_limit_hits):
        return "processes"
    return "signal" if code is not None and code < 0 else "exit"


def _rose(before: int | None, now: int | None) -> bool:
    return now is not None and now > (before or 0)


class KernelEnds:
    """Notices the ends of kernels. Belongs to the event loop."""

    def __init__(
        self, kernels: Any, reader: LimitReader, clock: Callable[[], float] = time.time
    ) -> None:
        """Prepare; :meth:`on_action` begins to watch a kernel.

        Args:
            kernels: the server's kernel manager.
            reader: reads the limits.
            clock: seconds since 1970.
        """
        self._kernels = kernels
        self._reader = reader
        self._clock = clock
        self._counters: dict[str, Counters] = {}
        self._ends: dict[str, KernelEnd] = {}

    async def on_action(self, _logger: Any, _schema_id: str, data: dict[str, Any]) -> None:
        """Watch a kernel that starts, and no longer one that is shut down.

        This is a listener of Jupyter Server's events.
        """
        kernel_id = str(data.get("kernel_id", ""))
        if kernel_id not in self._kernels:
            self._counters.pop(kernel_id, None)
        elif data.get("status") == "success" and data.get("action") in ("start", "restart"):
            is_new = kernel_id not in self._counters
            self._counters[kernel_id] = Counters.read(self._reader)
            if is_new:
                for event in ("restart", "dead"):
                    note = partial(self._note_end, kernel_id)
                    self._kernels.add_restart_callback(kernel_id, note, event)

    def document(self) -> KernelEndsDocument:
        """Return the newest end of each kernel, the newest first."""
        return {"ends": list(reversed(self._ends.values()))}

    def _note_end(self, kernel_id: str) -> None:
        manager = self._kernels.get_kernel(kernel_id)
        process = getattr(getattr(manager, "provisioner", None), "process", None)
        code = getattr(process, "returncode", None)
        now = Counters.read(self._reader)
        cause = cause_of(code, self._counters.get(kernel_id, now), now)
        self._counters[kernel_id] = now
        self._ends.pop(kernel_id, None)
        self._ends[kernel_id] = {
            "kernel_id": kernel_id,
            "ended_at": self._clock(),
            "cause": cause,
            "signal": _signal_name(code),
            "exit_code": code if code is not None and code >= 0 else None,
            "limits": self._reader.read(os.getpid()),
        }
        while len(self._ends) > _MAX_ENDS:
            del self._ends[next(iter(self._ends))]
        log.warning("The kernel %s ended with exit code %s: %s", kernel_id, code, cause)


def _signal_name(code: int | None) -> str | None:
    if code is None or code >= 0:
        return None
    try:
        return signal.Signals(-code).name
    except ValueError:
        return str(-code)
