"""Hash and check passwords without blocking the hub.

bcrypt takes some tenths of a second by design. On the event loop a handful of sign-ins would block
everybody, so it runs in two threads. Few jobs may wait for these, so that nobody's sign-in takes
long because of somebody else's.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import bcrypt

from gpudock.config.parsers import MAX_PASSWORD_BYTES
from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

T = TypeVar("T")

MAX_JOBS = 128
"""How many passwords are hashed or wait for it, of everybody together."""

MAX_ADDRESS_JOBS = 32
"""The same for one address; a class that signs in at once may have one address."""

MAX_ACCOUNT_JOBS = 4
"""The same for one account."""

_THREADS = 2
_BCRYPT_BYTES = 72
# Marks the hashes of passwords that are longer than bcrypt supports. All others are plain bcrypt.
_LONG = b"bcrypt-sha256:"
# Marks the hashes of passwords that the lab has made, which their users must change.
_ONE_TIME = b"one-time:"
# Without the letters and digits that look alike; 20 of them cannot be guessed.
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
_PARTS, _PART_LENGTH = 4, 5
# Checked if there is no account, so that the response time does not reveal which accounts exist.
_NOBODY = bcrypt.hashpw(b"nobody has this password", bcrypt.gensalt())


class BusyError(Exception):
    """No more passwords can be checked now.

    Attributes:
        everybody: whether too many people sign in, and not only too many from one address or to
            one account.
    """

    def __init__(self, message: str, *, everybody: bool) -> None:
        super().__init__(message)
        self.everybody = everybody


def hash_password(password: str) -> bytes:
    """Return the hash of a password of any length; this takes some tenths of a second."""
    given = password.encode()
    if len(given) > _BCRYPT_BYTES:
        return _LONG + bcrypt.hashpw(_shortened(given), bcrypt.gensalt())
    return bcrypt.hashpw(given, bcrypt.gensalt())


def new_one_time_password() -> tuple[str, bytes]:
    """Return a random password and its hash; this takes some tenths of a second."""
    parts = ("".join(secrets.choice(_READABLE) for _ in range(_PART_LENGTH)) for _ in range(_PARTS))
    password = "-".join(parts)
    return password, _ONE_TIME + hash_password(password)


def is_one_time(hashed: bytes) -> bool:
    """Return whether a hash is that of a password from :func:`new_one_time_password`."""
    return hashed.startswith(_ONE_TIME)


def check_password(password: str, hashed: bytes | None) -> bool:
    """Return whether *password* is the one that was hashed; ``False`` without a hash.

    This takes some tenths of a second, whatever the answer.
    """
    given = password.encode()
    wanted = (hashed or _NOBODY).removeprefix(_ONE_TIME)
    is_long = len(given) > _BCRYPT_BYTES
    comparable = is_long == wanted.startswith(_LONG) and len(given) <= MAX_PASSWORD_BYTES
    same = bcrypt.checkpw(_shortened(given) if is_long else given, wanted.removeprefix(_LONG))
    return same and comparable and hashed is not None


def _shortened(password: bytes) -> bytes:
    # Base64, because a digest may contain zero bytes, at which some versions of bcrypt stop.
    return base64.b64encode(hashlib.sha256(password).digest())


class PasswordThreads:
    """The threads that hash and check passwords, with limits on how many may wait for them."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="bcrypt")
        self._lock = threading.Lock()
        self._jobs: Counter[tuple[str, str]] = Counter()

    async def hash(self, password: str, account: str, address: str) -> bytes:
        """Return the hash of *password*.

        Args:
            password: the password.
            account: whose it will be.
            address: where the request came from.

        Raises:
            BusyError: too many wait.
        """
        return await self._run(partial(hash_password, password), account, address)

    async def check(self, password: str, hashed: bytes | None, account: str, address: str) -> bool:
        """Return whether *password* is the one that was hashed; ``False`` without a hash.

        Args:
            password: the password.
            hashed: the hash, if there is an account.
            account: whose it should be.
            address: where the request came from.

        Raises:
            BusyError: too many wait.
        """
        return await self._run(partial(check_password, password, hashed), account, address)

    async def _run(self, job: Callable[[], T], account: str, address: str) -> T:
        keys = (("all", ""), ("address", address), ("account", account))
        with self._lock:
            self._refuse_too_many(*(self._jobs[key] for key in keys))
            self._jobs.update(keys)
        future = self._pool.submit(job)
        # The job counts until it is over, even if nobody waits for it any more.
        future.add_done_callback(partial(self._finish, keys))
        return await asyncio.wrap_future(future)

    @staticmethod
    def _refuse_too_many(of_all: int, of_address: int, of_account: int) -> None:
        if of_all >= MAX_JOBS:
            message = Message("Too many people are signing in. Try again in half a minute.")
            raise BusyError(message, everybody=True)
        if of_address >= MAX_ADDRESS_JOBS:
            message = Message(
                "Too many people are signing in from your network. Try again in a moment."
            )
            raise BusyError(message, everybody=False)
        if of_account >= MAX_ACCOUNT_JOBS:
            message = Message(
                "This account is signing in several times at once. Try again in a moment."
            )
            raise BusyError(message, everybody=False)

    def _finish(self, keys: tuple[tuple[str, str], ...], _future: Future[T]) -> None:
        with self._lock:
            self._jobs.subtract(keys)
            for key in keys:
                if not self._jobs[key]:
                    del self._jobs[key]
