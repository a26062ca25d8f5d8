"""The GPUs as the agent reads them, also before there is an agent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from gpudock.inventory import AgentInventory, Inventory, NoInventory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gpudock.model import InventoryReading

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class LateInventory:
    """Follows the agent from the moment on when the hub has left its token.

    A lab without GPUs never has one.
    """

    def __init__(self, url: str, token_file: Path) -> None:
        """Prepare to follow the agent at *url*, whose token the hub leaves in *token_file*."""
        self._url = url
        self._token_file = token_file
        self._inner: Inventory = NoInventory(
            "The hub has started no agent, so nothing is known of the GPUs."
        )
        self._task: asyncio.Task[None] | None = None

    def reading(self) -> InventoryReading:
        """Return the newest reading at once."""
        return self._inner.reading()

    def subscribe(self, callback: Callable[[InventoryReading], None]) -> Callable[[], None]:
        """Follow the present inventory; nobody at the desk needs more."""
        return self._inner.subscribe(callback)

    async def start(self) -> None:
        """Begin to look for the token."""
        self._task = asyncio.get_running_loop().create_task(self._wait_for_token())

    async def stop(self) -> None:
        """End following."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._inner.stop()

    async def _wait_for_token(self) -> None:
        while True:
            token = secret_in(self._token_file)
            if token:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        inventory = AgentInventory(self._url, token)
        await inventory.start()
        self._inner = inventory


def secret_in(file: Path) -> str:
    """Return the secret that the hub left in *file*; nothing when it has left none yet."""
    with contextlib.suppress(FileNotFoundError):
        return file.read_text().strip()
    return ""
