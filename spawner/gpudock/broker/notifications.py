"""Telling coroutines that wait in the queue what has become of their request."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpudock.model import Denial, Lease

    Server = tuple[str, str]
    News = Lease | Denial | None


class Mailbox:
    """Where one coroutine gets its news. A grant or refusal is kept until it is read."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._news: News = None

    def put(self, news: News) -> None:
        """Deliver news, from any thread; ``None`` says that the place changed."""
        if news is not None:
            self._news = news
        # A loop that was closed has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def next(self) -> News:
        """Wait for news."""
        await self._arrived.wait()
        self._arrived.clear()
        return self._news


class Signals:
    """The mailboxes of those who wait, by (user, server)."""

    def __init__(self) -> None:
        self._boxes: dict[Server, set[Mailbox]] = {}

    @contextlib.contextmanager
    def expect(self, server: Server) -> Iterator[Mailbox]:
        """Open a mailbox for the news of *server*."""
        box = Mailbox()
        self._boxes.setdefault(server, set()).add(box)
        try:
            yield box
        finally:
            boxes = self._boxes.get(server, set())
            boxes.discard(box)
            if not boxes:
                self._boxes.pop(server, None)

    def tell(self, server: Server, news: News) -> None:
        """Put *news* into every mailbox of *server*."""
        for box in list(self._boxes.get(server, ())):
            box.put(news)

    def servers(self) -> list[Server]:
        """Return the servers that somebody waits for."""
        return list(self._boxes)
