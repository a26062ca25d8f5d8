"""Who has tried too many wrong passwords, and has to wait."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

EVERYWHERE = 10
"""Wrong passwords from all unknown addresses together may be this many times those from one."""

DIRECT = "no proxy"
"""The address of whoever does not come by the lab's proxy, as a user's container may."""

_MOST_KEPT = 20_000


def address_of(request: Any, trusted: Collection[str]) -> str:
    """Return where a request came from, as the lab's proxy says it.

    Everything else in a request's head is whatever its sender wrote there, ``X-Real-Ip`` and the
    beginning of ``X-Forwarded-For`` included.

    Args:
        request: tornado's.
        trusted: the addresses of more proxies, which stand before the lab's own.
    """
    hops = ",".join(request.headers.get_list("X-Forwarded-For")).split(",")
    for hop in reversed([hop.strip() for hop in hops]):
        if hop and hop not in trusted:
            return hop
    return DIRECT


class Guard:
    """Counts wrong passwords: for an account from one address, and for it from all that are new.

    An address from which somebody signed in rightly counts by itself, so that nobody can shut out
    somebody else by trying; and whoever makes up a new address for each try gets no more tries.
    """

    def __init__(
        self, most: int, seconds: float, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        """Count nothing yet.

        Args:
            most: wrong passwords after which one has to wait; 0: any number.
            seconds: how long, from the latest wrong one.
            ticks: returns seconds, and cannot be set.
        """
        self._most = most
        self._seconds = seconds
        self._ticks = ticks
        # (account, address), or (account, None) for all new addresses: wrong ones, and the latest.
        self._wrong: OrderedDict[tuple[str, str | None], tuple[int, float]] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait(self, account: str, address: str) -> float:
        """Return for how many seconds nobody at *address* may try *account*; 0: they may."""
        if not self._most:
            return 0.0
        left = self._left((account, address), self._most)
        if (account, address) not in self._known:
            left = max(left, self._left((account, None), self._most * EVERYWHERE))
        return left

    def wrong(self, account: str, address: str) -> None:
        """Note a password that is wrong, or whose check begins: of many at once few are tried."""
        self._count((account, address))
        if (account, address) not in self._known:
            self._count((account, None))

    def right(self, account: str, address: str) -> None:
        """Note that the latest password was right after all."""
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
    while len(where) > _MOST_KEPT:
        where.popitem(last=False)
