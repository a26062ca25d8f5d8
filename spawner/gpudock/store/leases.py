"""The leases, live and ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, literal_column, select, text, true, update

from gpudock.model import GroupHours, Lease, LeaseState, Share
from gpudock.store import schema

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Column, ColumnElement, Row, Select

    from gpudock.store.base import Statements
    from gpudock.store.usage import Usage

# Written out, not as a parameter: only then does a database see that its index of the live leases
# holds them all, and leaves the leases of former years alone.
IS_LIVE = schema.leases.c.state != literal_column(f"'{LeaseState.ENDED.value}'")


def _queries(condition: Any, of_parts: Any) -> tuple[Select[Any], Select[Any]]:
    """Return what reads some leases, and what reads their devices.

    Args:
        condition: which leases.
        of_parts: the same for the table of their devices.
    """
    table, parts = schema.leases, schema.lease_gpus
    return (
        select(table).where(condition).order_by(table.c.granted_at, table.c.id),
        select(parts.c.lease_id, parts.c.gpu_uuid, parts.c.slot).where(of_parts),
    )


# A statement has a limited number of parameters.
_MAX_IDS = 500

# Read in each transaction. To build a query takes as long as to run it.
_LIVE = _queries(IS_LIVE, text("live"))


@dataclass(frozen=True, slots=True)
class LeaseFilter:
    """Which leases, live and ended, to return; all of them by default.

    Attributes:
        users: only these users'; ``None``: everybody's.
        gpu: only those that have, or had, the device of this UUID.
        since: only those that had not ended by this time (Unix time).
        until: only those that were granted before this time (Unix time).
    """

    users: Collection[str] | None = None
    gpu: str | None = None
    since: float | None = None
    until: float | None = None

    def condition(self) -> ColumnElement[bool]:
        """Return the condition that a lease has to meet."""
        table, parts = schema.leases, schema.lease_gpus
        condition: ColumnElement[bool] = true()
        if self.users is not None:
            condition &= table.c.username.in_(list(self.users))
        if self.gpu is not None:
            having = select(parts.c.lease_id).where(parts.c.gpu_uuid == self.gpu)
            condition &= table.c.id.in_(having)
        if self.since is not None:
            condition &= table.c.ended_at.is_(None) | (table.c.ended_at > self.since)
        if self.until is not None:
            condition &= table.c.granted_at < self.until
        return condition


class Leases:
    """The leases, live and ended."""

    def __init__(self, statements: Statements, usage: Usage) -> None:
        self._db = statements
        self._usage = usage

    def add(self, lease: Lease) -> None:
        """Store a lease with its devices.

        Raises:
            sqlalchemy.exc.IntegrityError: a device or the server is in a live lease already; the
                store turns it into a ``StoreConflictError``.
        """
        live = lease.state is not LeaseState.ENDED
        self._db.change(insert(schema.leases).values(id=lease.id, **_lease_values(lease)))
        for uuid in lease.gpu_uuids:
            self._db.change(
                insert(schema.lease_gpus).values(
                    lease_id=lease.id, gpu_uuid=uuid, slot=lease.slot, live=live
                )
            )
        if not live and lease.ended_at is not None:
            self._usage.add(lease, lease.ended_at)

    def get(self, lease_id: str) -> Lease | None:
        """Return a lease, live or ended."""
        return next(iter(self.of_ids([lease_id])), None)

    def of_server(self, user: str, server: str) -> Lease | None:
        """Return the live lease of a server."""
        found = (lease for lease in self.live() if (lease.user, lease.server) == (user, server))
        return next(found, None)

    def latest_of_server(self, user: str, server: str) -> Lease | None:
        """Return the lease that a server was granted last, live or ended."""
        table = schema.leases
        ids = self._db.read(
            select(table.c.id)
            .where(table.c.username == user, table.c.server == server)
            .order_by(table.c.granted_at.desc(), table.c.id)
            .limit(1)
        ).scalars()
        return next(iter(self.of_ids(list(ids))), None)

    def live(self) -> list[Lease]:
        """Return all leases that have not ended, oldest first."""
        return self._db.cached("leases", lambda: self._read(*_LIVE))

    def all(self) -> list[Lease]:
        """Return all leases, oldest first."""
        return self._read(*_queries(true(), true()))

    def history(
        self, users: Collection[str] | None, offset: int, limit: int
    ) -> tuple[list[Lease], int]:
        """Return a page of the leases that have ended, the latest end first, and their number.

        Args:
            users: whose; ``None``: everybody's.
            offset: how many to skip.
            limit: how many to return at most.
        """
        ended = schema.leases.c.ended_at
        condition = LeaseFilter(users=users).condition() & ended.is_not(None)
        return self._page(condition, ended, offset, limit)

    def page(self, wanted: LeaseFilter, offset: int, limit: int) -> tuple[list[Lease], int]:
        """Return a page of leases, live and ended, the latest grant first, and their number.

        Args:
            wanted: which leases.
            offset: how many to skip.
            limit: how many to return at most.
        """
        return self._page(wanted.condition(), schema.leases.c.granted_at, offset, limit)

    def _page(
        self, condition: ColumnElement[bool], by: Column[Any], offset: int, limit: int
    ) -> tuple[list[Lease], int]:
        table = schema.leases
        total = self._db.read(select(func.count()).select_from(table).where(condition)).scalar()
        ids = self._db.read(
            select(table.c.id)
            .where(condition)
            .order_by(by.desc(), table.c.id)
            .offset(offset)
            .limit(limit)
        ).scalars()
        order = {lease_id: number for number, lease_id in enumerate(ids)}
        return sorted(self.of_ids(order), key=lambda lease: order[lease.id]), int(total or 0)

    def of_ids(self, ids: Collection[str]) -> list[Lease]:
        """Return the leases of these ids that there are, oldest first."""
        wanted = list(ids)
        found: list[Lease] = []
        of_leases, of_parts = schema.leases.c.id, schema.lease_gpus.c.lease_id
        for start in range(0, len(wanted), _MAX_IDS):
            part = wanted[start : start + _MAX_IDS]
            found += self._read(*_queries(of_leases.in_(part), of_parts.in_(part)))
        return sorted(found, key=lambda lease: (lease.granted_at, lease.id))

    def _read(self, query: Select[Any], devices: Select[Any]) -> list[Lease]:
        """Return the leases of *query*, with their *devices*."""
        uuids: dict[str, list[str]] = {}
        slots: dict[str, int] = {}
        for lease_id, uuid, slot in self._db.read(devices):
            uuids.setdefault(lease_id, []).append(uuid)
            slots[lease_id] = slot
        return [
            _lease(row, uuids.get(row.id, []), slots.get(row.id, 0)) for row in self._db.read(query)
        ]

    def update(self, lease: Lease) -> None:
        """Store the times and limits of a live lease as they have become."""
        values = _lease_values(lease)
        self._update(lease.id, **{name: values[name] for name in _CHANGING})

    def set_active_at(self, times: Mapping[str, float]) -> None:
        """Set when the devices of leases were last seen in use: id to Unix time."""
        self._db.set_each(schema.leases.c.active_at, schema.leases.c.id, times)

    def set_state(self, lease_id: str, state: LeaseState, reason: str | None = None) -> None:
        """Move a live lease on; *reason* is kept as the reason of its end."""
        values = {"state": state.value}
        if reason is not None:
            values["end_reason"] = reason
        self._update(lease_id, **values)

    def bind(self, lease_id: str, container_id: str) -> None:
        """Set which container a lease has."""
        self._update(lease_id, container_id=container_id)

    def end(self, lease: Lease, reason: str, at: float) -> None:
        """End a lease and free its devices at *at* (Unix time)."""
        gpus, parts = schema.gpus, schema.lease_gpus
        self._update(
            lease.id,
            state=LeaseState.ENDED.value,
            ended_at=at,
            end_reason=lease.end_reason or reason,
        )
        self._db.change(update(parts).where(parts.c.lease_id == lease.id).values(live=False))
        self._usage.add(lease, at)
        if lease.gpu_uuids:
            self._db.change(
                update(gpus).where(gpus.c.uuid.in_(lease.gpu_uuids)).values(freed_at=at)
            )

    def _update(self, lease_id: str, **values: object) -> None:
        table = schema.leases
        self._db.change(update(table).where(table.c.id == lease_id).values(**values))


def shifted(lease: Lease, seconds: float) -> Lease:
    """Return a lease whose times that move with the clock are later by *seconds*."""
    times = {name: getattr(lease, name) for name in schema.moving_times(schema.leases)}
    return replace(lease, **{k: at + seconds for k, at in times.items() if at is not None})


# What may change about a live lease, apart from its state.
_CHANGING = (
    "granted_at",
    "expires_at",
    "latest_end",
    "gpu_hours_limit",
    "gpu_hours_window",
    "group_hours",
    "active_at",
    "warned_at",
)


# The columns that hold a field as it is; the others are converted below.
_CONVERTED = {"id", "username", "share", "state", "groups", "group_hours"}
_PLAIN = [column.key for column in schema.leases.c if column.key not in _CONVERTED]


def _lease_values(lease: Lease) -> dict[str, Any]:
    return {name: getattr(lease, name) for name in _PLAIN} | {
        "username": lease.user,
        "share": lease.share.value,
        "state": lease.state.value,
        "groups": list(lease.groups),
        "group_hours": [[item.group, item.limit, item.window_days] for item in lease.group_hours],
    }


def _lease(row: Row[Any], uuids: list[str], slot: int) -> Lease:
    plain: dict[str, Any] = {name: getattr(row, name) for name in _PLAIN}
    return Lease(
        id=row.id,
        user=row.username,
        gpu_uuids=tuple(sorted(uuids)),
        share=Share(row.share),
        state=LeaseState(row.state),
        groups=tuple(row.groups),
        slot=slot,
        group_hours=tuple(GroupHours(*item) for item in row.group_hours),
        **plain,
    )
