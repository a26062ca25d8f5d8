"""The part of a transaction that is about requests: the queue, and what became of it."""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select, update

from gpudock.model import Request, Share, WhenBusy
from gpudock.store import schema
from gpudock.store.base import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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


class Requests(Part):
    """The queue."""

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        super().__init__(connection, clock)
        self._waiting: list[QueuedRequest] | None = None

    def _forget_what_was_read(self) -> None:
        super()._forget_what_was_read()
        self._waiting = None

    def add_request(self, request: Request) -> int:
        """Put a request at the end of the queue; return its sequence number.

        A request that is made again after it was settled gets an id of its own.
        """
        table = schema.requests
        known = self._connection.execute(select(table.c.id).where(table.c.id == request.id)).first()
        if known is not None:
            request = replace(request, id=secrets.token_hex(16))
        self.changes += 1
        self._forget_what_was_read()
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

    def set_arrivals(self, moments: Mapping[int, float]) -> None:
        """Write down since when requests, by sequence number, have waited; the order stays."""
        table = schema.requests
        statement = (
            update(table)
            .where(table.c.sequence == bindparam("number"))
            .values(created_at=bindparam("at"))
        )
        if moments:
            self._change(statement, [{"number": key, "at": at} for key, at in moments.items()])

    def newest_arrival(self) -> float | None:
        """Return the latest moment at which a waiting request was made."""
        table = schema.requests
        newest = select(func.max(table.c.created_at)).where(
            table.c.state == RequestState.WAITING.value
        )
        found = self._connection.execute(newest).scalar()
        return None if found is None else float(found)

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
        if self._waiting is None:
            self._waiting = self._requests(schema.requests.c.state == RequestState.WAITING.value)
        return list(self._waiting)

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
        rows = self._connection.execute(
            select(table)
            .where(table.c.username == user, table.c.server == server)
            .order_by(table.c.sequence.desc())
            .limit(1)
        )
        return next(map(_queued, rows), None)

    def requests_of_leases(self, lease_ids: Iterable[str]) -> list[QueuedRequest]:
        """Return the requests that were granted these leases, in the order of arrival."""
        return self._requests(schema.requests.c.lease_id.in_(list(lease_ids)))

    def _requests(self, condition: Any) -> list[QueuedRequest]:
        table = schema.requests
        rows = self._connection.execute(select(table).where(condition).order_by(table.c.sequence))
        return [_queued(row) for row in rows]


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
