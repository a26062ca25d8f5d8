"""Checking passwords without holding up the hub.

A bcrypt check takes some tenths of a second by design. On the event loop, a handful of people who
try passwords would hold up everybody; here they wait for each other, in two threads.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import bcrypt

LONGEST_PASSWORD = 72
"""Bytes; bcrypt knows no longer ones."""

_POOL = ThreadPoolExecutor(2, thread_name_prefix="bcrypt")
# Checked where there is no account, so that the time of an answer does not tell which there are.
_NOBODY = bcrypt.hashpw(b"nobody has this password", bcrypt.gensalt())


async def matches(password: str, hashed: bytes | None) -> bool:
    """Tell whether *password* is the one that was hashed; never, where there is no hash."""
    given = password.encode()
    if len(given) > LONGEST_PASSWORD:
        return False
    loop = asyncio.get_running_loop()
    same = await loop.run_in_executor(_POOL, bcrypt.checkpw, given, hashed or _NOBODY)
    return same and hashed is not None
