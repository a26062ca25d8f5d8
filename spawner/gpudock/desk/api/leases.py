"""Sessions: the running ones, the ended ones, and how to extend or end them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from gpudock.broker import EndCause, ExtensionError
from gpudock.desk.api.rights import check_may_read, owns_or_manages, readable_users
from gpudock.desk.endpoints import APIRequest, Audience, Router
from gpudock.desk.errors import ConflictError, ForbiddenError, NotFoundError
from gpudock.desk.schema import (
    Hours,
    Limit,
    Name,
    Offset,
    RequestModel,
    ResponseModel,
    Sentence,
)
from gpudock.language import Message, message_of
from gpudock.model import LeaseState
from gpudock.policy import end_reasons

if TYPE_CHECKING:
    from collections.abc import Collection

    from gpudock.broker import DeskBroker
    from gpudock.model import Lease
    from gpudock.policy import sessions

router = Router()


class Session(ResponseModel):
    """A session: a user's server with the GPUs that it has, or had."""

    id: str
    user: str
    server: str = Field(description="The server's name; empty for the user's default server")
    image: str
    gpus: list[str] = Field(description="UUIDs; empty for a server without a GPU")
    share: Literal["exclusive", "shared"]
    slot: int = Field(description="Which slot of the GPU it has, from 0")
    slots: int = Field(description="Of how many; 1: it has the GPUs as a whole")
    state: Literal["granted", "active", "stopping", "ended"]
    granted_at: float
    ends_at: float | None = Field(
        description="When it ends if nobody does anything; null: no end is known"
    )
    ends_because: Literal["time", "hours", "group_hours", "idle"] | None
    why: Sentence = Field(description="A sentence about the end")
    warning_at: float | None = Field(description="When its user is first warned of the end")
    can_extend: bool
    extendable_until: float | None = Field(description="null with `can_extend`: without end")
    idle_since: float | None = Field(description="Since when its GPUs have not been used")
    ended_at: float | None
    end_reason: str | None
    end_text: Sentence | None = Field(
        description="Why it ended, for the caller: a phrase such as `12 h limit reached`"
    )


class OwnSessions(ResponseModel):
    """The caller's own sessions."""

    leases: list[Session]


class SessionPage(OwnSessions):
    """A page of sessions."""

    total: int = Field(description="Number of sessions on all pages")


class SessionQuery(RequestModel):
    """Which sessions."""

    user: Name | None = Field(default=None, description="Only this user's")
    state: Literal["live", "granted", "active", "stopping", "ended"] = Field(
        default="live", description="`live` are all that have not ended"
    )
    limit: Limit = 100
    offset: Offset = 0


class Extension(RequestModel):
    """An extension of a session."""

    hours: Hours | None = Field(
        default=None,
        description="Left out: the usual length of a session, or as much as the limits allow",
    )


@router.add("GET", "leases", Audience.USER, query=SessionQuery, answer=SessionPage)
async def list_sessions(request: APIRequest) -> SessionPage:
    """List sessions.

    These are the sessions that the caller may read: their own at least.

    Running sessions are sorted by their start, ended ones by their end, the latest first.
    """
    query: SessionQuery = request.query
    users = await readable_users(request)
    if query.user is not None:
        await check_may_read(request, query.user)
        users = frozenset({query.user})
    if query.state == "ended":
        ended, total = await request.backend.report(
            lambda broker: broker.leases.history(users, query.offset, query.limit)
        )
        reader = request.principal.user
        return SessionPage(leases=[_ended(lease, reader) for lease in ended], total=total)
    found = await request.backend.read(_live, users)
    if query.state != "live":
        found = [session for session in found if session.lease.state == query.state]
    page = found[query.offset : query.offset + query.limit]
    return SessionPage(leases=[_shown(session) for session in page], total=len(found))


@router.add("GET", "leases/me", Audience.SERVER, answer=OwnSessions)
async def list_own_sessions(request: APIRequest) -> OwnSessions:
    """List the caller's sessions.

    These are the sessions that have not ended.
    """
    user = request.principal.user
    found = [] if user is None else await request.backend.read(_live, frozenset({user}))
    by_program = request.principal.is_server
    return OwnSessions(leases=[_shown(session, by_program=by_program) for session in found])


@router.add(
    "POST",
    "leases/{id}/extend",
    Audience.SERVER,
    body=Extension,
    body_required=False,
    answer=Session,
    errors=(409,),
)
async def extend_session(request: APIRequest) -> Session:
    """Extend a session.

    It lasts as much longer as its user's quota allows. Administrators may extend any session.

    The answer is 409 if that gains nothing. With the token of a server, an extension is at least a
    minute, and does not count as a use of the GPUs.
    """
    session = await _changeable(request)
    by_program = request.principal.is_server
    hours = request.body.hours if request.body is not None else None
    groups_of = await request.backend.hub.groups_of()
    try:
        extended = await request.backend.write(
            lambda broker: broker.sessions.extend(
                session.lease.id,
                request.principal.actor,
                hours,
                groups_of,
                by_program=by_program,
            )
        )
    except ExtensionError as error:
        raise ConflictError(message_of(error)) from error
    return _shown(extended, by_program=by_program)


@router.add("DELETE", "leases/{id}", Audience.SERVER, answer=Session, status=202)
async def release_session(request: APIRequest) -> Session:
    """End a session.

    It stops the session's server and frees its GPUs; the workspace stays. Administrators may end
    any session. The GPUs are free once the end of the container is
    proven, which takes some seconds.
    """
    lease = (await _changeable(request)).lease
    backend, actor = request.backend, request.principal.actor
    own = request.principal.is_self(lease.user)
    reason = end_reasons.RELEASED_BY_USER if own else end_reasons.released_by(actor)
    if not await backend.write(lambda broker: broker.sessions.release(lease.id, actor, reason)):
        raise NotFoundError(Message("The session ended in the meantime."))
    await backend.hub.stop_server(lease.user, lease.server)
    now = await backend.read(lambda broker: broker.sessions.get(lease.id))
    if now is not None:
        return _shown(now)
    ended = await backend.read(lambda broker: broker.leases.get(lease.id))
    return _ended(ended or lease, request.principal.user)


async def _changeable(request: APIRequest) -> sessions.Session:
    """Return the session in the path.

    Raises:
        NotFoundError: there is none, or the principal may not know of it.
        ForbiddenError: the principal may only read it.
    """
    session = await request.backend.read(lambda broker: broker.sessions.get(request.path["id"]))
    users = await readable_users(request)
    if session is None or (users is not None and session.lease.user not in users):
        raise NotFoundError(Message("There is no session with that id, or it has ended."))
    if not owns_or_manages(request, session.lease.user):
        raise ForbiddenError(Message("Only its user and administrators may change this session."))
    return session


def _live(broker: DeskBroker, users: Collection[str] | None) -> list[sessions.Session]:
    if users is not None and len(users) == 1:
        return broker.sessions.live(next(iter(users)))
    return [
        session
        for session in broker.sessions.live()
        if users is None or session.lease.user in users
    ]


def _shown(session: sessions.Session, *, by_program: bool = False) -> Session:
    because = session.ends_because
    # An extension by a program does not put off the end of a session whose GPUs are not used.
    is_extendable = not (by_program and because is EndCause.IDLE)
    return _session(
        session.lease,
        ends_at=session.ends_at,
        ends_because=None if because is None else because.value,
        why=session.why,
        warning_at=session.warning_at,
        can_extend=session.can_extend and is_extendable,
        extendable_until=session.extendable_until,
        idle_since=session.idle_since,
    )


def _ended(lease: Lease, reader: str | None) -> Session:
    return _session(
        lease,
        end_text=end_reasons.explain(lease, reader).text,
        ends_at=None,
        ends_because=None,
        why=end_reasons.over(lease, reader),
        warning_at=None,
        can_extend=False,
        extendable_until=None,
        idle_since=None,
    )


def _session(lease: Lease, **end: object) -> Session:
    return Session.model_validate(
        {
            "id": lease.id,
            "user": lease.user,
            "server": lease.server,
            "image": lease.image,
            "gpus": list(lease.gpu_uuids),
            "share": lease.share.value,
            "slot": lease.slot,
            "slots": lease.slots,
            "state": lease.state.value,
            "granted_at": lease.granted_at,
            "ended_at": lease.ended_at,
            "end_reason": lease.end_reason if lease.state is LeaseState.ENDED else None,
            "end_text": None,
            **end,
        }
    )
