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


class Signals:
    """One-shot waits, by (user, server). May be woken from any thread."""

    def __init__(self) -> None:
        self._waits: dict[Server, set[asyncio.Future[News]]] = {}

    @contextlib.contextmanager
    def expect(self, server: Server) -> Iterator[asyncio.Future[News]]:
        """Give a future that the next :meth:`wake` of *server* resolves."""
        future: asyncio.Future[News] = asyncio.get_running_loop().create_future()
        self._waits.setdefault(server, set()).add(future)
        try:
            yield future
        finally:
            waits = self._waits.get(server, set())
            waits.discard(future)
            if not waits:
                self._waits.pop(server, None)

    def wake(self, server: Server, news: News) -> None:
        """Resolve all futures of *server* with *news*; ``None`` says that its place changed."""
        for future in list(self._waits.get(server, ())):
            # A loop that was closed has nobody left to tell.
            with contextlib.suppress(RuntimeError):
                future.get_loop().call_soon_threadsafe(_resolve, future, news)

    def servers(self) -> list[Server]:
        """Return the servers that somebody waits for."""
        return list(self._waits)


def _resolve(future: asyncio.Future[News], news: News) -> None:
    if not future.done():
        future.set_result(news)
