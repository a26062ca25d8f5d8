"""Usage cache: what leases that have ended used, kept in memory.

A lease that has ended never changes, so only those that ended since the last time are read. Usage
that is older than some months is read by whole days.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from gpudock.policy.quota.gpu_hours import DAY, Span
from gpudock.policy.scheduling.fair_share import HALF_LIFE_DAYS, decayed_use

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpudock.store import PastUse, Transaction

# Leases that ended longer ago are counted by whole days.
_EXACT_DAYS = 92
# After so many half-lives nothing is left that matters.
_HALF_LIVES = 10
# Leases may end in another order than their ends are in; this is how far they may be apart.
_OVERLAP = DAY


class UsageCache:
    """The use of the past, by user and by group."""

    def __init__(self, half_life_days: float = HALF_LIFE_DAYS) -> None:
        """Make an empty cache.

        Args:
            half_life_days: after so many days a GPU-second counts half, see :meth:`recent_use`.
        """
        self.half_life_days = half_life_days
        self._lock = threading.RLock()
        self.clear()

    def clear(self) -> None:
        """Forget everything: the database may have become another one."""
        self._count = -1
        self._since = math.inf
        self._latest = -math.inf
        self._known: set[str] = set()
        self._users: dict[str, list[Span]] = {}
        self._groups: dict[str, list[Span]] = {}
        self._recent: dict[str, float] = {}
        self._recent_at = 0.0

    @property
    def users(self) -> Mapping[str, Sequence[Span]]:
        """User to the spans of use of leases that have ended."""
        return self._users

    @property
    def groups(self) -> Mapping[str, Sequence[Span]]:
        """Group to the spans of use of its members' leases that have ended."""
        return self._groups

    def refresh(self, transaction: Transaction, now: float, since: float) -> None:
        """Read what has ended since the last time.

        Args:
            transaction: from which to read.
            now: Unix time.
            since: the Unix time from which spans are needed; infinite for none.
        """
        with self._lock:
            self._refresh(transaction, now, since)

    def _refresh(self, transaction: Transaction, now: float, since: float) -> None:
        count = transaction.usage.ended_leases
        if count < self._count or since < self._since or self._count < 0:
            self._read_all(transaction, now, min(since, self._since))
        elif count > self._count and not self._read_new(transaction, now, count):
            self._read_all(transaction, now, self._since)
        self._count = count

    def recent_use(self, now: float) -> dict[str, float]:
        """Return user to GPU-seconds of the past, halved for every half-life of their age."""
        factor = math.exp2(-(now - self._recent_at) / (self.half_life_days * DAY))
        return {user: seconds * factor for user, seconds in self._recent.items()}

    def _read_all(self, transaction: Transaction, now: float, since: float) -> None:
        self.clear()
        self._since = since
        self._recent_at = now
        today = math.floor(now / DAY)
        first = today - math.ceil(_HALF_LIVES * self.half_life_days)
        for day, user, seconds, _ in transaction.usage.day_use("user", first, today + 2):
            self._count_recent(user, seconds / DAY, day * DAY, min((day + 1) * DAY, now), now)
        # One day more than needed, to know the ids of those that ended last.
        exact = max(min(since, now - _OVERLAP), (today - _EXACT_DAYS) * DAY)
        if since < exact:
            begin = -1_000_000 if math.isinf(since) else math.floor(since / DAY)
            for kind, spans in (("user", self._users), ("group", self._groups)):
                for day, name, seconds, _ in transaction.usage.day_use(
                    kind, begin, int(exact / DAY)
                ):
                    spans.setdefault(name, []).append(
                        Span(day * DAY, (day + 1) * DAY, seconds / DAY)
                    )
        for use in transaction.usage.of_ended(exact):
            self._add(use, max(use.granted_at, exact) if since < exact else use.granted_at)
        self._latest = max(self._latest, exact)

    def _read_new(self, transaction: Transaction, now: float, count: int) -> bool:
        """Read what ended since the last time; return whether that is all."""
        new = [
            use
            for use in transaction.usage.of_ended(self._latest - _OVERLAP)
            if use.lease_id not in self._known
        ]
        if len(new) != count - self._count:
            return False
        self._recent, self._recent_at = self.recent_use(now), now
        for use in new:
            self._add(use, use.granted_at)
            self._count_recent(use.user, use.gpu_share, use.granted_at, use.ended_at, now)
        return True

    def _add(self, use: PastUse, start: float) -> None:
        self._known.add(use.lease_id)
        self._latest = max(self._latest, use.ended_at)
        if use.ended_at > max(start, self._since):
            span = Span(start, use.ended_at, use.gpu_share)
            self._users.setdefault(use.user, []).append(span)
            for group in set(use.groups):
                self._groups.setdefault(group, []).append(span)

    def _count_recent(self, user: str, share: float, start: float, end: float, now: float) -> None:
        seconds = decayed_use(share, start, end, now, self.half_life_days)
        if seconds:
            self._recent[user] = self._recent.get(user, 0.0) + seconds
