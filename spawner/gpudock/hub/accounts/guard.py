"""The limit on wrong passwords."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

EVERYWHERE = 10
"""All unknown addresses together may try this many times as often as one address."""

ACCOUNTS = 20
"""One address may send this many times as many wrong passwords to all accounts as to one."""

_MAX_KEPT = 20_000


class Allowance:
    """A number of attempts that each key has; those used come back evenly over time."""

    def __init__(
        self, most: int, seconds: float, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        """Give each key all its attempts.

        Args:
            most: number of attempts.
            seconds: time after which all of them are back.
            ticks: a monotonic clock, in seconds.
        """
        self._most = most
        self._seconds = seconds
        self._ticks = ticks
        # How many are used up, and as of when.
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str) -> float:
        """Return how many seconds *key* must wait for its next attempt."""
        return max(0.0, self._now_used(key) - self._most + 1) * self._seconds / self._most

    def take(self, key: str) -> None:
        """Use up an attempt."""
        _keep(self._used, key, (self._now_used(key) + 1, self._ticks()))

    def give_back(self, key: str) -> None:
        """Take back the latest :meth:`take`."""
        _keep(self._used, key, (max(0.0, self._now_used(key) - 1), self._ticks()))

    def _now_used(self, key: str) -> float:
        used, since = self._used.get(key, (0.0, 0.0))
        return max(0.0, used - (self._ticks() - since) * self._most / self._seconds)


class Guard:
    """Counts an account's wrong passwords: per address, and for all unknown addresses together.

    An address that has signed in successfully counts by itself, so that attempts from elsewhere
    cannot lock the user out. A new address for each attempt gains an attacker nothing, and neither
    does a new account: an address has a limit for all accounts to which it has not signed in.
    """

    def __init__(
        self, most: int, seconds: float, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        """Count nothing yet.

        Args:
            most: number of wrong passwords after which to wait; 0: no limit.
            seconds: how long to wait after the latest wrong one.
            ticks: a monotonic clock, in seconds.
        """
        self._most = most
        self._seconds = seconds
        self._ticks = ticks
        # (account, address), or (account, None) for unknown addresses: count and latest time.
        self._wrong: OrderedDict[tuple[str, str | None], tuple[int, float]] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._of_address = Allowance(max(1, most * ACCOUNTS), seconds, ticks)

    def wait(self, account: str, address: str) -> float:
        """Return how many seconds *address* must wait before it may try *account*."""
        if not self._most:
            return 0.0
        left = self._left((account, address), self._most)
        if (account, address) not in self._known:
            left = max(left, self._left((account, None), self._most * EVERYWHERE))
            left = max(left, self._of_address.wait(address))
        return left

    def count_failure(self, account: str, address: str) -> None:
        """Count a wrong password. Call it before the check, which limits simultaneous attempts."""
        self._count((account, address))
        if (account, address) not in self._known:
            self._count((account, None))
            self._of_address.take(address)

    def count_success(self, account: str, address: str) -> None:
        """Take back the latest count, because the password was right."""
        self._wrong.pop((account, address), None)
        if (account, address) not in self._known:
            wrong, latest = self._wrong.get((account, None), (0, 0.0))
            if wrong:
                self._wrong[account, None] = (wrong - 1, latest)
            self._of_address.give_back(address)
        _keep(self._known, (account, address), None)

    def forget_attempt(self, account: str, address: str) -> None:
        """Take back the latest :meth:`count_failure`, because the password was not checked."""
        unknown = (account, address) not in self._known
        for key in [(account, address), *([(account, None)] if unknown else [])]:
            wrong, latest = self._wrong.get(key, (0, 0.0))
            if wrong:
                self._wrong[key] = (wrong - 1, latest)
        if unknown:
            self._of_address.give_back(address)

    def _left(self, key: tuple[str, str | None], most: int) -> float:
        wrong, latest = self._wrong.get(key, (0, 0.0))
        return max(0.0, latest + self._seconds - self._ticks()) if wrong >= most else 0.0

    def _count(self, key: tuple[str, str | None]) -> None:
        now = self._ticks()
        wrong, latest = self._wrong.get(key, (0, now))
        _keep(self._wrong, key, (wrong + 1 if now - latest < self._seconds else 1, now))


def _keep(where: OrderedDict[Any, Any], key: object, value: object) -> None:
    where[key] = value
    where.move_to_end(key)
    while len(where) > _MAX_KEPT:
        where.popitem(last=False)
