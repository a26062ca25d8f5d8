"""Usage reports and the audit trail: who used how much, and who changed what."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gpudock.language import Message
from gpudock.policy.quota.gpu_hours import DAY, HOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from gpudock.broker.transactions import Transactions
    from gpudock.broker.unit_of_work import UnitOfWork
    from gpudock.model import Lease
    from gpudock.store import AuditEntry, AuditFilter, PastUse, Transaction

    Add = Callable[[str, float, int], None]
    By = Literal["user", "group", "gpu"]
    Bucket = Literal["day", "week", "month"]

_FAR_PAST, _FAR_FUTURE = 0.0, 253_370_764_800.0  # the years 1970 and 9999


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What somebody, or a device, used in a span of time.

    Attributes:
        name: the user, the group, or the device's UUID.
        bucket_start: Unix time at which the span begins.
        gpu_hours: GPU-hours; a slot of a shared device counts as its part of one.
        leases: how many leases began in the span.
    """

    name: str
    bucket_start: float
    gpu_hours: float
    leases: int


class UsageReports:
    """Who used how much."""

    def __init__(self, transactions: Transactions) -> None:
        self._store = transactions.store
        self._clock = transactions.clock

    def report(
        self,
        since: float,
        until: float,
        by: By,
        bucket: Bucket | None = None,
        names: Collection[str] | None = None,
    ) -> list[UsageRow]:
        """Sum up what was used, including by sessions that still run.

        Args:
            since: the beginning (Unix time).
            until: the end (Unix time); nothing is used in the future.
            by: what to sum up by. Users in several groups count in each.
            bucket: how to divide the time: by days, by weeks from Monday, or by months, in UTC;
                ``None``: not at all.
            names: only these users, groups or devices; ``None``: all.

        Returns:
            A row for each name and each span in which it used anything, by time and name.
        """
        now = self._clock.time()
        since = min(max(since, _FAR_PAST), _FAR_FUTURE)
        until = min(until, max(now, since))
        rows = []
        with self._store.snapshot() as transaction:
            live = [lease for lease in transaction.leases.live() if lease.gpu_uuids]
            for start, end in _pieces(since, until, bucket):
                sums = _sum(transaction, live, start, end, by, names, now)
                rows += [
                    UsageRow(name, start, seconds / HOUR, leases)
                    for name, (seconds, leases) in sorted(sums.items())
                    if seconds > 0 or leases
                ]
        return rows


class AuditTrail:
    """Who changed what."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._store = transactions.store

    def page(
        self, offset: int = 0, limit: int = 100, wanted: AuditFilter | None = None
    ) -> tuple[list[AuditEntry], int]:
        """Return a page of the audit trail, the newest first, and the number of entries.

        Args:
            offset: how many entries to skip.
            limit: how many entries to return at most.
            wanted: which entries; ``None``: all.
        """
        with self._store.snapshot() as transaction:
            return transaction.audit.page(offset, limit, wanted)

    def record(self, by: str, what: str, target: str, before: object, after: object) -> None:
        """Add a change that a person made outside the lab's database, such as at the Hub."""

        def change(work: UnitOfWork) -> None:
            work.transaction.audit.record(by, what, target, before, after)

        self._transactions.run(change)

    def target_names(self, entries: Iterable[AuditEntry]) -> dict[str, str]:
        """Return how people call the targets of entries that are named by an id: target to name.

        A session is called by its user and its server, a device by its number and its host.
        """
        targets = {(entry.what.partition(".")[0], entry.target) for entry in entries}
        sessions = [target for kind, target in targets if kind == "lease"]
        names: dict[str, str] = {}
        with self._store.snapshot() as transaction:
            for lease in transaction.leases.of_ids(sessions):
                names[lease.id] = server_name(lease.user, lease.server)
            devices = {item.gpu.uuid: item.gpu for item in transaction.gpus.records()}
        for kind, target in targets:
            device = devices.get(target)
            if kind == "gpu" and device is not None:
                names[target] = Message(
                    "GPU {index} on {host}", index=device.index, host=device.host
                )
            elif kind == "queue":
                user, _, server = target.partition("/")
                names[target] = server_name(user, server)
            elif kind == "group":
                names[target] = Message("group {name}", name=target.removeprefix("group/"))
            elif kind == "quota":
                level, _, name = target.partition("/")
                names[target] = {"user": name, "group": Message("group {name}", name=name)}.get(
                    level, Message("lab default")
                )
        return names


def server_name(user: str, server: str) -> str:
    """Return how people call a server: by its user, and by its own name if it has one."""
    return Message("{user}, server {server}", user=user, server=server) if server else user


def _pieces(since: float, until: float, bucket: Bucket | None) -> Iterator[tuple[float, float]]:
    """Divide a span of time at the beginnings of days, weeks or months."""
    start = since
    while start < until:
        end = until if bucket is None else min(_next(start, bucket), until)
        yield start, end
        start = end


def _next(time: float, bucket: Bucket) -> float:
    """Return the beginning of the next day, week or month."""
    day = dt.datetime.fromtimestamp(time, dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match bucket:
        case "day":
            return (day + dt.timedelta(days=1)).timestamp()
        case "week":
            return (day + dt.timedelta(days=7 - day.weekday())).timestamp()
        case "month":
            return (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1).timestamp()


def _sum(
    transaction: Transaction,
    live: Iterable[Lease],
    start: float,
    end: float,
    by: By,
    names: Collection[str] | None,
    now: float,
) -> dict[str, tuple[float, int]]:
    """Sum up one span: whole days from the usage of days, parts of days lease by lease."""
    sums: defaultdict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0))

    def add(name: str, seconds: float, leases: int) -> None:
        if names is None or name in names:
            former = sums[name]
            sums[name] = (former[0] + seconds, former[1] + leases)

    first, behind = math.ceil(start / DAY), math.floor(end / DAY)
    if first < behind:
        for name, (seconds, leases) in transaction.usage.day_sums(by, first, behind, names).items():
            add(name, seconds, leases)
        edges = [(start, first * DAY), (behind * DAY, end)]
    else:
        edges = [(start, end)]
    for edge_start, edge_end in edges:
        if edge_start < edge_end:
            for use in transaction.usage.of_ended(edge_start, edge_end):
                _add_lease(use, use.ended_at, edge_start, edge_end, by, add)
    for lease in live:
        _add_lease(lease, now, start, end, by, add)
    return sums


def _add_lease(
    lease: Lease | PastUse, ended: float, start: float, end: float, by: By, add: Add
) -> None:
    """Add what a lease used between *start* and *end*."""
    seconds = max(0.0, min(ended, end) - max(lease.granted_at, start))
    began = 1 if start <= lease.granted_at < end else 0
    if not seconds and not began:
        return
    match by:
        case "user":
            add(lease.user, seconds * lease.gpu_share, began)
        case "group":
            for group in set(lease.groups):
                add(group, seconds * lease.gpu_share, began)
        case "gpu":
            for uuid in lease.gpu_uuids:
                add(uuid, seconds / lease.slots, began)
