"""What can be read and changed within one transaction."""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, or_, select, update

from gpudock.model import GPU, Lease, LeaseState, Request, Share, WhenBusy
from gpudock.policy.condition import GPURecord, Standing
from gpudock.store import schema
from gpudock.store.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection, Row


class RequestState(enum.StrEnum):
    """What became of a request."""

    WAITING = "waiting"
    GRANTED = "granted"
    WITHDRAWN = "withdrawn"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class QueuedRequest:
    """A request as it is stored.

    Attributes:
        sequence: its place in the order of arrival.
        request: the wish.
        state: what became of it.
        lease_id: the lease that it was granted.
        message: why it was refused or taken out of the queue.
    """

    sequence: int
    request: Request
    state: RequestState
    lease_id: str | None = None
    message: str | None = None


class Transaction(Ledger):
    """Reads and changes that happen together or not at all.

    Each writing transaction increases :attr:`generation` by one, so that a database that was
    replaced by an older copy of itself can be told.
    """

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        super().__init__(connection, clock)
        self._changed = False
        # What was read stays true until this very transaction changes something.
        self._gpu_records: list[GPURecord] | None = None
        self._live_leases: list[Lease] | None = None

    @property
    def generation(self) -> int:
        """How many writing transactions this database has seen."""
        table = schema.meta
        found = self._connection.execute(
            select(table.c.value).where(table.c.key == "generation")
        ).scalar()
        return int(found or 0)

    @property
    def changed(self) -> bool:
        """Whether this transaction has changed anything so far."""
        return self._changed

    def close(self) -> None:
        """Count this transaction, if it changed anything. Called just before the commit."""
        if self._changed:
            table = schema.meta
            self._connection.execute(
                update(table).where(table.c.key == "generation").values(value=table.c.value + 1)
            )

    def _change(self, statement: Any) -> int:
        self._changed = True
        self._gpu_records = self._live_leases = None
        return int(self._connection.execute(statement).rowcount)

    # Devices.

    def gpu_records(self) -> list[GPURecord]:
        """Return all devices that were ever seen, in display order."""
        if self._gpu_records is None:
            table = schema.gpus
            rows = self._connection.execute(
                select(table).order_by(table.c.host, table.c.number, table.c.uuid)
            )
            self._gpu_records = [_gpu_record(row) for row in rows]
        return list(self._gpu_records)

    def save_gpu(self, gpu: GPU, seen_at: float) -> None:
        """Write down that *gpu* was reported at *seen_at*."""
        values = {
            "host": gpu.host,
            "number": gpu.index,
            "model": gpu.model,
            "memory_mib": gpu.memory_mib,
            "parent_uuid": gpu.parent_uuid,
            "mig_profile": gpu.mig_profile,
            "last_seen": seen_at,
        }
        table = schema.gpus
        if not self._change(update(table).where(table.c.uuid == gpu.uuid).values(values)):
            self._change(
                insert(table).values(
                    uuid=gpu.uuid, standing=Standing.ACTIVE.value, first_seen=seen_at, **values
                )
            )

    def set_standing(self, uuid: str, standing: Standing, reason: str | None) -> None:
        """Change what is decided about a device."""
        table = schema.gpus
        self._change(
            update(table).where(table.c.uuid == uuid).values(standing=standing.value, reason=reason)
        )

    def set_in_use_by(self, uuid: str, sentence: str | None) -> None:
        """Write down who else uses a device, ``None``: nobody."""
        table = schema.gpus
        self._change(update(table).where(table.c.uuid == uuid).values(in_use_by=sentence))

    def forget_gpu(self, uuid: str) -> None:
        """Take a device that will not come back out of the list, if no lease ever had it.

        One that was leased stays in the ledger, out of sight, until it is reported again.
        """
        table = schema.gpus
        used = schema.lease_gpus
        ever = self._connection.execute(
            select(used.c.gpu_uuid).where(used.c.gpu_uuid == uuid).limit(1)
        ).first()
        if ever is None:
            self._change(schema.gpus.delete().where(table.c.uuid == uuid))
        else:
            self.set_standing(uuid, Standing.FORGOTTEN, None)

    # Leases.

    def add_lease(self, lease: Lease) -> None:
        """Write a lease down with its devices.

        Raises:
            sqlalchemy.exc.IntegrityError: a device or the server is in a live lease already; the
                store turns it into a ``StoreConflict``.
        """
        live = lease.state is not LeaseState.ENDED
        self._change(
            insert(schema.leases).values(
                id=lease.id,
                username=lease.user,
                server=lease.server,
                image=lease.image,
                share=lease.share.value,
                granted_at=lease.granted_at,
                state=lease.state.value,
                container_id=lease.container_id,
                expires_at=lease.expires_at,
                ended_at=lease.ended_at,
                end_reason=lease.end_reason,
            )
        )
        for uuid in lease.gpu_uuids:
            self._change(
                insert(schema.lease_gpus).values(
                    lease_id=lease.id, gpu_uuid=uuid, slot=0, live=live
                )
            )

    def lease(self, lease_id: str) -> Lease | None:
        """Return a lease, live or ended."""
        return next(iter(self._leases(schema.leases.c.id == lease_id)), None)

    def live_lease(self, user: str, server: str) -> Lease | None:
        """Return the live lease of a server."""
        found = (
            lease for lease in self.live_leases() if (lease.user, lease.server) == (user, server)
        )
        return next(found, None)

    def live_leases(self) -> list[Lease]:
        """Return all leases that have not ended, oldest first."""
        if self._live_leases is None:
            self._live_leases = self._leases(schema.leases.c.state != LeaseState.ENDED.value)
        return list(self._live_leases)

    def all_leases(self) -> list[Lease]:
        """Return all leases, oldest first."""
        return self._leases(None)

    def _leases(self, condition: Any) -> list[Lease]:
        table, parts = schema.leases, schema.lease_gpus
        query = select(table).order_by(table.c.granted_at, table.c.id)
        devices = select(parts.c.lease_id, parts.c.gpu_uuid).join(table)
        if condition is not None:
            query, devices = query.where(condition), devices.where(condition)
        uuids: dict[str, list[str]] = {}
        for lease_id, uuid in self._connection.execute(devices):
            uuids.setdefault(lease_id, []).append(uuid)
        return [_lease(row, uuids.get(row.id, [])) for row in self._connection.execute(query)]

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
        if lease.gpu_uuids:
            gpus = schema.gpus
            self._change(update(gpus).where(gpus.c.uuid.in_(lease.gpu_uuids)).values(freed_at=at))

    # Requests.

    def add_request(self, request: Request) -> int:
        """Put a request at the end of the queue; return its sequence number.

        A request that is made again after it was settled gets an id of its own.
        """
        table = schema.requests
        known = self._connection.execute(select(table.c.id).where(table.c.id == request.id)).first()
        if known is not None:
            request = replace(request, id=secrets.token_hex(16))
        self._changed = True
        result = self._connection.execute(
            insert(table).values(
                **_request_values(request),
                username=request.user,
                server=request.server,
                created_at=request.created_at,
                state=RequestState.WAITING.value,
            )
        )
        return int(result.inserted_primary_key[0])  # type: ignore[index]

    def change_request(self, sequence: int, request: Request) -> None:
        """Give a waiting request new options; it keeps its place and its id."""
        table = schema.requests
        values = _request_values(request)
        values.pop("id")
        self._change(update(table).where(table.c.sequence == sequence).values(values))

    def settle_request(
        self,
        sequence: int,
        state: RequestState,
        *,
        lease_id: str | None = None,
        message: str | None = None,
    ) -> None:
        """Write down what became of a request; ``WAITING`` gives it its old place back."""
        table = schema.requests
        at = None if state is RequestState.WAITING else self.clock()
        self._change(
            update(table)
            .where(table.c.sequence == sequence)
            .values(state=state.value, settled_at=at, lease_id=lease_id, message=message)
        )

    def waiting(self) -> list[QueuedRequest]:
        """Return the queue, in the order of arrival."""
        return self._requests(schema.requests.c.state == RequestState.WAITING.value)

    def waiting_request(self, user: str, server: str) -> QueuedRequest | None:
        """Return the waiting request of a server."""
        table = schema.requests
        found = self._requests(
            (table.c.state == RequestState.WAITING.value)
            & (table.c.username == user)
            & (table.c.server == server)
        )
        return next(iter(found), None)

    def latest_request(self, user: str, server: str) -> QueuedRequest | None:
        """Return the newest request of a server, whatever became of it."""
        table = schema.requests
        found = self._requests((table.c.username == user) & (table.c.server == server))
        return found[-1] if found else None

    def requests_of_leases(self, lease_ids: Iterable[str]) -> list[QueuedRequest]:
        """Return the requests that were granted these leases, in the order of arrival."""
        return self._requests(schema.requests.c.lease_id.in_(list(lease_ids)))

    def _requests(self, condition: Any) -> list[QueuedRequest]:
        table = schema.requests
        rows = self._connection.execute(select(table).where(condition).order_by(table.c.sequence))
        return [_queued(row) for row in rows]

    # Quotas.

    def quota_documents(
        self, users: Iterable[str], groups: Iterable[str]
    ) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the documents of these users and groups and of the default level.

        The key is (level, name): ``("default", "")``, ``("group", …)``, ``("user", …)``.
        """
        table = schema.quotas
        rows = self._connection.execute(
            select(table.c.level, table.c.name, table.c.document).where(
                or_(
                    table.c.level == "default",
                    (table.c.level == "group") & table.c.name.in_(list(groups)),
                    (table.c.level == "user") & table.c.name.in_(list(users)),
                )
            )
        )
        return {(row.level, row.name): row.document for row in rows}


def _gpu_record(row: Row[Any]) -> GPURecord:
    return GPURecord(
        gpu=GPU(
            uuid=row.uuid,
            index=row.number,
            host=row.host,
            model=row.model,
            memory_mib=row.memory_mib,
            parent_uuid=row.parent_uuid,
            mig_profile=row.mig_profile,
        ),
        standing=Standing(row.standing),
        reason=row.reason,
        in_use_by=row.in_use_by,
        freed_at=row.freed_at,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
    )


def _lease(row: Row[Any], uuids: list[str]) -> Lease:
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
    )


def _request_values(request: Request) -> dict[str, Any]:
    return {
        "id": request.id,
        "gpus": request.gpus,
        "gpu_model": request.gpu_model,
        "share": request.share.value,
        "when_busy": request.when_busy.value,
        "image": request.image,
        "groups": list(request.groups),
        "user_options": dict(request.user_options),
    }


def _queued(row: Row[Any]) -> QueuedRequest:
    return QueuedRequest(
        sequence=row.sequence,
        request=Request(
            id=row.id,
            user=row.username,
            server=row.server,
            gpus=row.gpus,
            created_at=row.created_at,
            image=row.image,
            gpu_model=row.gpu_model,
            share=Share(row.share),
            when_busy=WhenBusy(row.when_busy),
            groups=tuple(row.groups),
            user_options=row.user_options,
        ),
        state=RequestState(row.state),
        lease_id=row.lease_id,
        message=row.message,
    )
