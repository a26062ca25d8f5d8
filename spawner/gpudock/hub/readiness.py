"""Waiting for a server that was just started: quick to notice, cheap to wait, never blind.

The Hub's own wait backs off with jitter and loses up to a second for each start. Here a bare TCP
connection is tried, every 25 ms at first and then after each thirtieth of the time waited so far:
the loss stays below a thirtieth, and a burst, in which all wait longer, costs the hub little.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_TRY_SECONDS = 0.025
_TRY_PART = 1 / 30
_LONGEST_TRY_SECONDS = 1.0
_LOOK_SECONDS = 1.0


class ServerDied(Exception):  # noqa: N818
    """A server's container ended before it answered; the text says what is known."""


async def wait_until_listening(url: str, has_exited: Callable[[], Awaitable[bool]]) -> None:
    """Return when something accepts connections at *url*.

    Args:
        url: the server's URL.
        has_exited: tells whether the server's container has ended; asked once a second.

    Raises:
        ServerDied: the container has ended.
    """
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    next_look = begun + _LOOK_SECONDS
    while not await _accepts(str(parts.hostname), parts.port or 80):
        if loop.time() >= next_look:
            if await has_exited():
                message = "The container has ended."
                raise ServerDied(message)
            next_look = loop.time() + _LOOK_SECONDS
        part = (loop.time() - begun) * _TRY_PART
        await asyncio.sleep(min(max(_TRY_SECONDS, part), _LONGEST_TRY_SECONDS))


async def _accepts(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(1.0):
            _reader, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
