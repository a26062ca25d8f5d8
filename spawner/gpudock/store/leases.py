"""The part of a transaction that is about leases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, literal_column, select, text, true, update

from gpudock.model import GroupHours, Lease, LeaseState, Share
from gpudock.store import schema
from gpudock.store.usage import Books

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from sqlalchemy import ColumnElement, Connection, Row


# Written out, not as a parameter: only then does a database see that its index of the live leases
# holds them all, and leaves the leases of former years alone.
_IS_LIVE = schema.leases.c.state != literal_column(f"'{LeaseState.ENDED.value}'")


class Leases(Books):
    """The leases, live and ended."""

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        super().__init__(connection, clock)
        self._live_leases: list[Lease] | None = None

    def _forget_what_was_read(self) -> None:
        super()._forget_what_was_read()
        self._live_leases = None

    def add_lease(self, lease: Lease) -> None:
        """Write a lease down with its devices.

        Raises:
            sqlalchemy.exc.IntegrityError: a device or the server is in a live lease already; the
                store turns it into a ``StoreConflict``.
        """
        live = lease.state is not LeaseState.ENDED
        self._change(insert(schema.leases).values(id=lease.id, **_lease_values(lease)))
        for uuid in lease.gpu_uuids:
            self._change(
                insert(schema.lease_gpus).values(
                    lease_id=lease.id, gpu_uuid=uuid, slot=lease.slot, live=live
                )
            )
        if not live and lease.ended_at is not None:
            self.enter_use(lease, lease.ended_at)

    def lease(self, lease_id: str) -> Lease | None:
        """Return a lease, live or ended."""
        return next(iter(self._leases_of([lease_id])), None)

    def live_lease(self, user: str, server: str) -> Lease | None:
        """Return the live lease of a server."""
        found = (
            lease for lease in self.live_leases() if (lease.user, lease.server) == (user, server)
        )
        return next(found, None)

    def live_leases(self) -> list[Lease]:
        """Return all leases that have not ended, oldest first."""
        if self._live_leases is None:
            self._live_leases = self._leases(_IS_LIVE, text("live"))
        return list(self._live_leases)

    def all_leases(self) -> list[Lease]:
        """Return all leases, oldest first."""
        return self._leases(true(), true())

    def history(
        self, users: Collection[str] | None, offset: int, limit: int
    ) -> tuple[list[Lease], int]:
        """Return a page of the leases that have ended, the latest end first, and their number.

        Args:
            users: whose; ``None``: everybody's.
            offset: how many to leave out.
            limit: how many to return at most.
        """
        table = schema.leases
        condition: ColumnElement[bool] = table.c.ended_at.is_not(None)
        if users is not None:
            condition &= table.c.username.in_(list(users))
        total = self._connection.execute(
            select(func.count()).select_from(table).where(condition)
        ).scalar()
        ids = self._connection.execute(
            select(table.c.id)
            .where(condition)
            .order_by(table.c.ended_at.desc(), table.c.id)
            .offset(offset)
            .limit(limit)
        ).scalars()
        order = {lease_id: number for number, lease_id in enumerate(ids)}
        found = self._leases_of(order)
        return sorted(found, key=lambda lease: order[lease.id]), int(total or 0)

    def _leases_of(self, ids: Collection[str]) -> list[Lease]:
        if not ids:
            return []
        return self._leases(
            schema.leases.c.id.in_(list(ids)), schema.lease_gpus.c.lease_id.in_(list(ids))
        )

    def _leases(self, condition: Any, of_parts: Any) -> list[Lease]:
        """Return some leases; *of_parts* is the same condition for the table of their devices."""
        table, parts = schema.leases, schema.lease_gpus
        query = select(table).where(condition).order_by(table.c.granted_at, table.c.id)
        devices = select(parts.c.lease_id, parts.c.gpu_uuid, parts.c.slot).where(of_parts)
        uuids: dict[str, list[str]] = {}
        slots: dict[str, int] = {}
        for lease_id, uuid, slot in self._connection.execute(devices):
            uuids.setdefault(lease_id, []).append(uuid)
            slots[lease_id] = slot
        return [
            _lease(row, uuids.get(row.id, []), slots.get(row.id, 0))
            for row in self._connection.execute(query)
        ]

    def save_terms(self, lease: Lease) -> None:
        """Write down the times and limits of a live lease as they have become."""
        values = _lease_values(lease)
        terms = {name: values[name] for name in _TERMS}
        table = schema.leases
        self._change(update(table).where(table.c.id == lease.id).values(terms))

    def set_active(self, moments: Mapping[str, float]) -> None:
        """Write down when the devices of leases, by id, were last seen in use."""
        table = schema.leases
        statement = (
            update(table).where(table.c.id == bindparam("lease")).values(active_at=bindparam("at"))
        )
        if moments:
            self._change(
                statement, [{"lease": lease_id, "at": at} for lease_id, at in moments.items()]
            )

    def set_lease_state(self, lease_id: str, state: LeaseState, reason: str | None = None) -> None:
        """Move a live lease on; *reason* is kept as the reason of its end."""
        values: dict[str, Any] = {"state": state.value}
        if reason is not None:
            values["end_reason"] = reason
        table = schema.leases
        self._change(update(table).where(table.c.id == lease_id).values(values))

    def bind_lease(self, lease_id: str, container_id: str) -> None:
        """Write down which container a lease has."""
        table = schema.leases
        self._change(update(table).where(table.c.id == lease_id).values(container_id=container_id))

    def end_lease(self, lease: Lease, reason: str, at: float) -> None:
        """End a lease and free its devices at *at*."""
        table, parts = schema.leases, schema.lease_gpus
        self._change(
            update(table)
            .where(table.c.id == lease.id)
            .values(
                state=LeaseState.ENDED.value, ended_at=at, end_reason=lease.end_reason or reason
            )
        )
        self._change(update(parts).where(parts.c.lease_id == lease.id).values(live=False))
        self.enter_use(lease, at)
        if lease.gpu_uuids:
            gpus = schema.gpus
            self._change(update(gpus).where(gpus.c.uuid.in_(lease.gpu_uuids)).values(freed_at=at))


# What changes about a live lease besides its state.
_TERMS = (
    "granted_at",
    "expires_at",
    "latest_end",
    "gpu_hours_limit",
    "gpu_hours_window",
    "group_hours",
    "active_at",
    "warned_at",
)


def _lease_values(lease: Lease) -> dict[str, Any]:
    return {
        "username": lease.user,
        "server": lease.server,
        "image": lease.image,
        "share": lease.share.value,
        "granted_at": lease.granted_at,
        "state": lease.state.value,
        "container_id": lease.container_id,
        "expires_at": lease.expires_at,
        "ended_at": lease.ended_at,
        "end_reason": lease.end_reason,
        "groups": list(lease.groups),
        "slots": lease.slots,
        "latest_end": lease.latest_end,
        "backfilled": lease.backfilled,
        "gpu_hours_limit": lease.gpu_hours_limit,
        "gpu_hours_window": lease.gpu_hours_window,
        "group_hours": [[item.group, item.limit, item.window_days] for item in lease.group_hours],
        "active_at": lease.active_at,
        "warned_at": lease.warned_at,
        "adopted": lease.adopted,
    }


def _lease(row: Row[Any], uuids: list[str], slot: int) -> Lease:
    return Lease(
        id=row.id,
        user=row.username,
        server=row.server,
        image=row.image,
        gpu_uuids=tuple(sorted(uuids)),
        granted_at=row.granted_at,
        share=Share(row.share),
        state=LeaseState(row.state),
        container_id=row.container_id,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
        groups=tuple(row.groups),
        slot=slot,
        slots=row.slots,
        latest_end=row.latest_end,
        backfilled=row.backfilled,
        gpu_hours_limit=row.gpu_hours_limit,
        gpu_hours_window=row.gpu_hours_window,
        group_hours=tuple(GroupHours(*item) for item in row.group_hours),
        active_at=row.active_at,
        warned_at=row.warned_at,
        adopted=row.adopted,
    )
