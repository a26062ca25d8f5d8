"""Usage accounting: who used how much on each day.

What a lease used is added to ``usage_days`` when it ends, split over the days (UTC), for its user,
for each of its groups, and for each of its devices. A shared device counts for each session by the
share that it had. Live leases are not accounted yet.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from gpudock.store import schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gpudock.model import Lease
    from gpudock.store.base import Statements

DAY = 86400

# Databases limit how many values a query may name.
_MAX_NAMES = 10_000


class PastUse(NamedTuple):
    """What one ended lease used.

    Attributes:
        lease_id, user, groups: whose it was.
        gpu_uuids: the devices.
        granted_at, ended_at: Unix times.
        slots: of how many slots of its device it had one.
    """

    lease_id: str
    user: str
    groups: tuple[str, ...]
    gpu_uuids: tuple[str, ...]
    granted_at: float
    ended_at: float
    slots: int

    @property
    def gpu_share(self) -> float:
        """How many GPUs it had."""
        return len(self.gpu_uuids) / self.slots


class DayUse(NamedTuple):
    """What somebody, or a device, used on one day: see ``schema.usage_days``."""

    day: int
    name: str
    gpu_seconds: float
    leases: int


class Usage:
    """What leases that have ended used."""

    def __init__(self, statements: Statements) -> None:
        self._db = statements

    @property
    def ended_leases(self) -> int:
        """How many leases with devices are accounted; it changes with every change of usage."""
        return self._db.number("ended_leases")

    def add(self, lease: Lease, ended_at: float) -> None:
        """Add what a lease used until its end."""
        if not lease.gpu_uuids:
            return
        self._db.set_number("ended_leases", self.ended_leases + 1)
        length = math.ceil(max(0.0, ended_at - lease.granted_at))
        if length > self._db.number("longest_lease"):
            self._db.set_number("longest_lease", length)
        rows = []
        for number, (day, seconds) in enumerate(days(lease.granted_at, ended_at)):
            leases = 1 if number == 0 else 0
            part = seconds / lease.slots
            everybody = [("user", lease.user, part * len(lease.gpu_uuids))]
            everybody += [
                ("group", group, part * len(lease.gpu_uuids)) for group in set(lease.groups)
            ]
            everybody += [("gpu", uuid, part) for uuid in lease.gpu_uuids]
            rows += [
                {"kind": kind, "day": day, "name": name, "gpu_seconds": used, "leases": leases}
                for kind, name, used in everybody
            ]
        self._db.change(self._add_to_day(), rows)

    def _add_to_day(self) -> Any:
        table = schema.usage_days
        dialect: Any = sqlite if self._db.connection.dialect.name == "sqlite" else postgresql
        statement = dialect.insert(table)
        return statement.on_conflict_do_update(
            index_elements=[table.c.kind, table.c.day, table.c.name],
            set_={
                "gpu_seconds": table.c.gpu_seconds + statement.excluded.gpu_seconds,
                "leases": table.c.leases + statement.excluded.leases,
            },
        )

    def day_sums(
        self, kind: str, first: int, behind: int, names: Collection[str] | None = None
    ) -> dict[str, tuple[float, int]]:
        """Sum up whole days: name to GPU-seconds and leases that began.

        Args:
            kind: ``user``, ``group`` or ``gpu``.
            first: number of the first day.
            behind: number of the first day that is no longer counted.
            names: whom to sum up; ``None``: everybody.
        """
        table = schema.usage_days
        query = (
            select(table.c.name, func.sum(table.c.gpu_seconds), func.sum(table.c.leases))
            .where(table.c.kind == kind, table.c.day >= first, table.c.day < behind)
            .group_by(table.c.name)
        )
        few = names is not None and len(names) <= _MAX_NAMES
        if names is not None and few:
            query = query.where(table.c.name.in_(list(names)))
        return {
            name: (float(seconds), int(leases))
            for name, seconds, leases in self._db.read(query)
            if few or names is None or name in names
        }

    def day_use(self, kind: str, first: int, behind: int) -> list[DayUse]:
        """Return whole days, one by one; arguments as for :meth:`day_sums`."""
        table = schema.usage_days
        query = select(table.c.day, table.c.name, table.c.gpu_seconds, table.c.leases).where(
            table.c.kind == kind, table.c.day >= first, table.c.day < behind
        )
        return [DayUse(*row) for row in self._db.read(query)]

    def of_ended(self, since: float, until: float = math.inf) -> list[PastUse]:
        """Return what ended leases with devices used, as far as it touches a span of time."""
        table, parts = schema.leases, schema.lease_gpus
        query = (
            select(
                table.c.id,
                table.c.username,
                table.c.groups,
                parts.c.gpu_uuid,
                table.c.granted_at,
                table.c.ended_at,
                table.c.slots,
            )
            .join(parts, parts.c.lease_id == table.c.id)
            .where(table.c.ended_at > since)
            .order_by(table.c.ended_at, table.c.id)
        )
        if math.isfinite(until):
            # Only together with the longest lease ever can an index find those that overlap.
            query = query.where(
                table.c.ended_at <= until + self._db.number("longest_lease"),
                table.c.granted_at < until,
            )
        found: list[PastUse] = []
        for lease_id, user, groups, uuid, start, end, slots in self._db.read(query):
            if found and found[-1].lease_id == lease_id:
                last = found[-1]
                found[-1] = last._replace(gpu_uuids=(*last.gpu_uuids, uuid))
            else:
                found.append(PastUse(lease_id, user, tuple(groups), (uuid,), start, end, slots))
        return found


def days(start: float, end: float) -> Iterator[tuple[int, float]]:
    """Split a span of time into days (UTC): the day's number, and how many seconds of it."""
    day = math.floor(start / DAY)
    while True:
        yield day, max(0.0, min(end, (day + 1) * DAY) - max(start, day * DAY))
        day += 1
        if day * DAY >= end:
            return
