"""The GPUs as the agent reads them, if there is an agent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from gpudock.config.shared_volume import AGENT_TOKEN, NO_GPUS, secret_in
from gpudock.inventory import AgentInventory, Inventory, NoInventory
from gpudock.language import Message
from gpudock.model import InventoryReading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0

UNKNOWN = InventoryReading(
    taken_at=None,
    problem=Message("The hub has not started an agent yet, so the GPUs are unknown."),
)
"""The reading until the hub has written to the shared folder."""


class SharedInventory:
    """Follows what the hub writes to the shared folder: the agent's token, or why there is no GPU.

    It polls the folder, since a restart of the hub may bring GPUs to the lab, or remove them.
    """

    def __init__(self, url: str, shared: Path) -> None:
        """Prepare to follow the agent at *url*; *shared* is the folder of hub and desk."""
        self._url = url
        self._shared = shared
        self._found = ("", "")
        self._inner: Inventory | None = None
        self._task: asyncio.Task[None] | None = None

    def reading(self) -> InventoryReading:
        """Return the latest reading at once."""
        return UNKNOWN if self._inner is None else self._inner.reading()

    def subscribe(self, callback: Callable[[InventoryReading], None]) -> Callable[[], None]:
        """Do nothing: the desk reads the latest reading when it needs one."""
        return lambda: None

    async def start(self) -> None:
        """Start to poll."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self) -> None:
        """Stop to poll, and stop the inventory."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._inner is not None:
            await self._inner.stop()

    async def _follow(self) -> None:
        problem = ""
        while True:
            try:
                await self._look()
            except Exception as error:
                # The task must not end: the GPUs would stay as they were for good.
                if repr(error) != problem:
                    log.exception("The shared folder could not be read; trying again.")
                problem = repr(error)
            else:
                problem = ""
            await asyncio.sleep(_POLL_SECONDS)

    async def _look(self) -> None:
        """Follow another inventory if the hub has written something else."""
        reason = secret_in(self._shared / NO_GPUS)
        found = (reason, "" if reason else secret_in(self._shared / AGENT_TOKEN))
        if found == self._found:
            return
        former, self._inner = self._inner, self._make(*found)
        self._found = found
        if former is not None:
            await former.stop()
        if self._inner is not None:
            await self._inner.start()

    def _make(self, reason: str, token: str) -> Inventory | None:
        if reason:
            return NoInventory(reason)
        return AgentInventory(self._url, token) if token else None
