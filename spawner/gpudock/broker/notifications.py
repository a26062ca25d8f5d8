"""Notifying the coroutines that wait in the queue."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpudock.model import Denial, Lease

    Server = tuple[str, str]
    Answer = Lease | Denial


class Subscription:
    """How one coroutine is notified. A grant or a denial is kept until it is read."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._answer: Answer | None = None

    def put(self, answer: Answer | None) -> None:
        """Notify the coroutine, from any thread; ``None`` says that the position changed."""
        if answer is not None:
            self._answer = answer
        # A closed loop has no coroutine left to notify.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def next(self) -> Answer | None:
        """Wait for the next notification, and return the answer if there is one."""
        await self._arrived.wait()
        self._arrived.clear()
        return self._answer


class Notifications:
    """The subscriptions of the coroutines that wait, by (user, server)."""

    def __init__(self) -> None:
        self._subscriptions: dict[Server, set[Subscription]] = {}

    @contextlib.contextmanager
    def subscribe(self, server: Server) -> Iterator[Subscription]:
        """Subscribe to what becomes of the request of *server*."""
        subscription = Subscription()
        self._subscriptions.setdefault(server, set()).add(subscription)
        try:
            yield subscription
        finally:
            of_server = self._subscriptions[server]
            of_server.discard(subscription)
            if not of_server:
                del self._subscriptions[server]

    def notify(self, server: Server, answer: Answer | None) -> None:
        """Notify every coroutine that waits for *server*."""
        for subscription in list(self._subscriptions.get(server, ())):
            subscription.put(answer)

    def servers(self) -> list[Server]:
        """Return the servers that a coroutine waits for."""
        return list(self._subscriptions)
