"""The kernels and terminals of this server, by the PID of their first process."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

RENEW_SECONDS = 2.0
"""How long a list of kernels, terminals and sessions is used."""


class Owners:
    """Lists the kernels and terminals of the server's own managers. Belongs to the event loop."""

    def __init__(
        self,
        kernels: Any,
        sessions: Any,
        terminals: Callable[[], Any],
        notify: Callable[[dict[int, dict[str, str]]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a list.

        Args:
            kernels: the server's kernel manager.
            sessions: the server's session manager.
            terminals: returns the server's terminal manager, or None where terminals are off.
            notify: called with the owners when they have been renewed.
            clock: monotonic seconds.
        """
        self._kernels = kernels
        self._sessions = sessions
        self._terminals = terminals
        self._notify = notify
        self._clock = clock
        self._renew_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def renew_soon(self) -> None:
        """Renew the list if it is old, without waiting for it."""
        if self._clock() >= self._renew_at and (self._task is None or self._task.done()):
            self._task = asyncio.ensure_future(self.renew())

    async def renew(self) -> None:
        """Renew the list if it is old; a manager that fails is logged and left out."""
        if self._clock() < self._renew_at:
            return
        self._renew_at = self._clock() + RENEW_SECONDS
        owners: dict[int, dict[str, str]] = {}
        try:
            owners.update(await self._of_kernels())
            owners.update(_of_terminals(self._terminals()))
        except Exception:
            log.exception("The kernels and terminals of this server could not be listed")
        self._notify(owners)

    async def _of_kernels(self) -> dict[int, dict[str, str]]:
        pids: dict[int, str] = {}
        for kernel_id in list(self._kernels.list_kernel_ids()):
            manager = self._kernels.get_kernel(kernel_id)
            pid = getattr(getattr(manager, "provisioner", None), "pid", None)
            if isinstance(pid, int) and pid > 0:
                pids[pid] = kernel_id
        if not pids:
            return {}
        sessions = {
            session["kernel"]["id"]: session
            for session in await ensure_async(self._sessions.list_sessions())
            if session.get("kernel")
        }
        return {
            pid: _kernel(kernel_id, self._kernels.get_kernel(kernel_id), sessions.get(kernel_id))
            for pid, kernel_id in pids.items()
            if kernel_id in self._kernels
        }


def _kernel(kernel_id: str, manager: Any, session: dict[str, Any] | None) -> dict[str, str]:
    owner = {
        "kind": "kernel",
        "kernel_id": kernel_id,
        "kernel_name": str(getattr(manager, "kernel_name", "")),
    }
    if session is not None:
        path, name = str(session.get("path") or ""), str(session.get("name") or "")
        owner["session_type"] = str(session.get("type") or "")
        owner["path"] = path
        owner["title"] = name or path.rpartition("/")[2]
    return owner


def _of_terminals(manager: Any) -> dict[int, dict[str, str]]:
    found = {}
    for name, terminal in dict(getattr(manager, "terminals", None) or {}).items():
        pid = getattr(getattr(terminal, "ptyproc", None), "pid", None)
        if isinstance(pid, int) and pid > 0:
            found[pid] = {"kind": "terminal", "terminal": str(name), "title": str(name)}
    return found
