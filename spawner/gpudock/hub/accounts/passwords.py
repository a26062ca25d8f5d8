"""Check passwords without blocking the hub.

A bcrypt check takes some tenths of a second by design. On the event loop a handful of sign-ins
would block everybody, so checks run in two threads.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from gpudock.config.parsers import MAX_PASSWORD_BYTES

_POOL = ThreadPoolExecutor(2, thread_name_prefix="bcrypt")
# Checked if there is no account, so that the response time does not reveal which accounts exist.
_NOBODY = bcrypt.hashpw(b"nobody has this password", bcrypt.gensalt())


async def matches(password: str, hashed: bytes | None) -> bool:
    """Return whether *password* is the one that was hashed; ``False`` without a hash."""
    given = password.encode()
    if len(given) > MAX_PASSWORD_BYTES:
        return False
    loop = asyncio.get_running_loop()
    same = await loop.run_in_executor(_POOL, bcrypt.checkpw, given, hashed or _NOBODY)
    return same and hashed is not None
