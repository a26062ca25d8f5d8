"""The requests: those that wait, and what became of the others."""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from gpudock.model import Request, Share, WhenBusy
from gpudock.store import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Row, Select

    from gpudock.store.base import Statements


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
        request: what was asked for.
        state: what became of it.
        lease_id: the lease that it was granted.
        message: why it was denied or removed from the queue.
        settled_at: when it ceased to wait (Unix time).
        is_next: it was the first in the latest decision for which GPUs were reserved.
    """

    sequence: int
    request: Request
    state: RequestState
    lease_id: str | None = None
    message: str | None = None
    settled_at: float | None = None
    is_next: bool = False


IS_WAITING = schema.requests.c.state == RequestState.WAITING.value


def _query(condition: Any) -> Select[Any]:
    """Return what reads some requests, in the order of arrival."""
    table = schema.requests
    return select(table).where(condition).order_by(table.c.sequence)


# Read in each transaction. To build a query takes as long as to run it.
_WAITING = _query(IS_WAITING)


class Requests:
    """The requests, waiting and settled."""

    def __init__(self, statements: Statements) -> None:
        self._db = statements

    def add(self, request: Request) -> int:
        """Put a request at the end of the queue; return its sequence number.

        A request that is made again after it was settled gets an id of its own.
        """
        table = schema.requests
        known = self._db.read(select(table.c.id).where(table.c.id == request.id)).first()
        if known is not None:
            request = replace(request, id=secrets.token_hex(16))
        result = self._db.change(
            insert(table).values(
                id=request.id,
                username=request.user,
                server=request.server,
                created_at=request.created_at,
                state=RequestState.WAITING.value,
                **_options(request),
            )
        )
        return int(result.inserted_primary_key[0])

    def update(self, sequence: int, request: Request) -> None:
        """Give a waiting request new options; it keeps its place and its id."""
        self._update(sequence, **_options(request))

    def set_created_at(self, times: Mapping[int, float]) -> None:
        """Set since when requests have waited: sequence number to Unix time; the order stays."""
        self._db.set_each(schema.requests.c.created_at, schema.requests.c.sequence, times)

    def newest(self) -> float | None:
        """Return the Unix time at which the newest of the waiting requests was made."""
        return max((item.request.created_at for item in self.waiting()), default=None)

    def settle(
        self,
        sequence: int,
        state: RequestState,
        *,
        lease_id: str | None = None,
        message: str | None = None,
    ) -> None:
        """Store what became of a request; ``WAITING`` gives it its old place back."""
        at = None if state is RequestState.WAITING else self._db.clock()
        self._update(
            sequence,
            state=state.value,
            settled_at=at,
            lease_id=lease_id,
            message=message,
            is_next=False,
        )

    def set_next(self, request_id: str | None) -> None:
        """Store which waiting request is next; ``None``: none is."""
        marked = {item.request.id: item.sequence for item in self.waiting() if item.is_next}
        if marked.keys() == ({request_id} - {None}):
            return
        for sequence in marked.values():
            self._update(sequence, is_next=False)
        for item in self.waiting():
            if item.request.id == request_id:
                self._update(item.sequence, is_next=True)

    def waiting(self) -> list[QueuedRequest]:
        """Return the queue, in the order of arrival."""
        return self._db.cached("requests", lambda: self._read(_WAITING))

    def waiting_of(self, user: str, server: str) -> QueuedRequest | None:
        """Return the waiting request of a server."""
        table = schema.requests
        of_server = (table.c.username == user) & (table.c.server == server)
        found = self._read(_query(IS_WAITING & of_server))
        return next(iter(found), None)

    def latest_of(self, user: str, server: str) -> QueuedRequest | None:
        """Return the newest request of a server, whatever became of it."""
        table = schema.requests
        rows = self._db.read(
            select(table)
            .where(table.c.username == user, table.c.server == server)
            .order_by(table.c.sequence.desc())
            .limit(1)
        )
        return next(map(_queued, rows), None)

    def of_leases(self, lease_ids: Iterable[str]) -> list[QueuedRequest]:
        """Return the requests that were granted these leases, in the order of arrival."""
        return self._read(_query(schema.requests.c.lease_id.in_(list(lease_ids))))

    def _read(self, query: Select[Any]) -> list[QueuedRequest]:
        return [_queued(row) for row in self._db.read(query)]

    def _update(self, sequence: int, **values: object) -> None:
        table = schema.requests
        self._db.change(update(table).where(table.c.sequence == sequence).values(**values))


def _options(request: Request) -> dict[str, Any]:
    return {
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
        settled_at=row.settled_at,
        is_next=row.is_next,
    )
