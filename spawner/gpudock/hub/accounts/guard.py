"""The limit on wrong passwords."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

EVERYWHERE = 10
"""All unknown addresses together may try this many times as often as one address."""

_MAX_KEPT = 20_000


class Guard:
    """Counts an account's wrong passwords: per address, and for all unknown addresses together.

    An address that has signed in successfully counts by itself, so that attempts from elsewhere
    cannot lock the user out. A new address for each attempt gains an attacker nothing.
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

    def wait(self, account: str, address: str) -> float:
        """Return how many seconds *address* must wait before it may try *account*."""
        if not self._most:
            return 0.0
        left = self._left((account, address), self._most)
        if (account, address) not in self._known:
            left = max(left, self._left((account, None), self._most * EVERYWHERE))
        return left

    def count_failure(self, account: str, address: str) -> None:
        """Count a wrong password. Call it before the check, which limits simultaneous attempts."""
        self._count((account, address))
        if (account, address) not in self._known:
            self._count((account, None))

    def count_success(self, account: str, address: str) -> None:
        """Take back the latest count, because the password was right."""
        self._wrong.pop((account, address), None)
        wrong, latest = self._wrong.get((account, None), (0, 0.0))
        if wrong and (account, address) not in self._known:
            self._wrong[account, None] = (wrong - 1, latest)
        _keep(self._known, (account, address), None)

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
