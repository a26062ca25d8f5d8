"""Wait for a server that was just started.

The Hub's own wait backs off with jitter and adds up to a second to each start. Here a bare TCP
connection is tried every 25 ms at first, and then after each thirtieth of the time waited so far.
So the delay stays below a thirtieth, and a burst of starts, in which all wait longer, stays cheap.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gpudock.hub.errors import ServerDied
from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_MIN_PAUSE_SECONDS = 0.025
_PAUSE_FRACTION = 1 / 30
_MAX_PAUSE_SECONDS = 1.0
_LOOK_SECONDS = 1.0


async def wait_until_listening(url: str, has_exited: Callable[[], Awaitable[bool]]) -> None:
    """Return when something accepts connections at *url*.

    Args:
        url: the server's URL.
        has_exited: returns whether the server's container has exited; called once a second.

    Raises:
        ServerDied: the container has exited.
    """
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    started = loop.time()
    next_look = started + _LOOK_SECONDS
    while not await _accepts(str(parts.hostname), parts.port or 80):
        if loop.time() >= next_look:
            if await has_exited():
                raise ServerDied(Message("The container has exited."))
            next_look = loop.time() + _LOOK_SECONDS
        pause = (loop.time() - started) * _PAUSE_FRACTION
        await asyncio.sleep(min(max(_MIN_PAUSE_SECONDS, pause), _MAX_PAUSE_SECONDS))


async def _accepts(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(1.0):
            _reader, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
