"""Sessions: those that run, those that have ended, and what can be done about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from gpudock.broker import ExtensionError
from gpudock.desk.api.rights import may_read, owns_or_manages, readable
from gpudock.desk.endpoints import Answer, Audience, Call, Catalogue
from gpudock.desk.errors import conflict, forbidden, missing
from gpudock.desk.schema import Hours, Identifier, Limit, Name, Offset, Shown, Strict
from gpudock.model import LeaseState

if TYPE_CHECKING:
    from collections.abc import Collection

    from gpudock.broker import DeskBroker
    from gpudock.model import Lease
    from gpudock.policy.sessions import Session

catalogue = Catalogue()


class SessionShown(Shown):
    """A session: a server of a user with the GPUs that it has, or had."""

    id: str
    user: str
    server: str = Field(description="The server's name; empty for the user's default server")
    image: str
    gpus: list[str] = Field(description="UUIDs; none for a server without a GPU")
    share: Literal["exclusive", "shared"]
    slot: int = Field(description="Which slot of the GPU it has, from 0")
    slots: int = Field(description="Of how many; 1: it has the GPUs as a whole")
    state: Literal["granted", "active", "stopping", "ended"]
    granted_at: float
    ends_at: float | None = Field(
        description="When it ends if nobody does anything; null: no end is known"
    )
    ends_because: Literal["time", "hours", "group_hours", "idle"] | None
    why: str = Field(description="A sentence about the end")
    warning_at: float | None = Field(description="From when on its user is warned of the end")
    can_extend: bool
    extendable_until: float | None = Field(description="null with `can_extend`: without an end")
    idle_since: float | None = Field(description="Since when its GPUs have not been used")
    ended_at: float | None
    end_reason: str | None


class OwnSessions(Shown):
    """The sessions of whoever asks."""

    leases: list[SessionShown]


class Sessions(OwnSessions):
    """A page of sessions."""

    total: int = Field(description="How many there are on all pages")


class SessionQuery(Strict):
    """Which sessions."""

    user: Name | None = Field(default=None, description="Only this user's")
    state: Literal["live", "granted", "active", "stopping", "ended"] = Field(
        default="live", description="`live` are all that have not ended"
    )
    limit: Limit = 100
    offset: Offset = 0


class Extension(Strict):
    """By how much a session is to last longer."""

    hours: Hours | None = Field(
        default=None, description="Left out: by the usual length of a session, or else to the limit"
    )


@catalogue.add(
    "GET", "leases", "Sessions", audience=Audience.USER, query=SessionQuery, answer=Sessions
)
async def list_sessions(call: Call) -> Answer:
    """Sessions of oneself; of others as far as one may see them.

    Those that run come in the order of their beginning, those that have ended with the latest
    first.
    """
    query: SessionQuery = call.query
    names = await readable(call)
    if query.user is not None:
        await may_read(call, query.user)
        names = frozenset({query.user})
    if query.state == "ended":
        ended, total = await call.office.count(_history, names, query.offset, query.limit)
        return Answer(Sessions(leases=[_ended(lease) for lease in ended], total=total))
    found = await call.office.look(_live, names)
    if query.state != "live":
        found = [session for session in found if session.lease.state == query.state]
    page = found[query.offset : query.offset + query.limit]
    return Answer(Sessions(leases=[shown(session) for session in page], total=len(found)))


@catalogue.add(
    "GET", "leases/me", "One's own sessions", audience=Audience.SERVER, answer=OwnSessions
)
async def list_own_sessions(call: Call) -> Answer:
    """The sessions of whoever asks that have not ended. A user's server may ask, too."""
    if call.visitor.user is None:
        return Answer(OwnSessions(leases=[]))
    found = await call.office.look(_live, frozenset({call.visitor.user}))
    return Answer(OwnSessions(leases=[shown(session) for session in found]))


@catalogue.add(
    "POST",
    "leases/{id}/extend",
    "Extend a session",
    audience=Audience.SERVER,
    path_types={"id": Identifier},
    body=Extension,
    body_required=False,
    answer=SessionShown,
    errors=(409,),
)
async def extend_session(call: Call) -> Answer:
    """Let a session last longer, as far as its user's quota allows. One's own, or an administrator.

    It is refused when nothing can be gained.
    """
    session = await _changeable(call)
    hours = call.body.hours if call.body is not None else None
    groups_of = await call.office.hub.groups_of()
    try:
        extended = await call.office.act(
            lambda broker: broker.sessions.extend(
                session.lease.id, call.visitor.actor, hours, groups_of
            )
        )
    except ExtensionError as refused:
        raise conflict(str(refused)) from refused
    return Answer(shown(extended))


@catalogue.add(
    "DELETE",
    "leases/{id}",
    "End a session",
    audience=Audience.SERVER,
    path_types={"id": Identifier},
    answer=SessionShown,
    status=202,
)
async def release_session(call: Call) -> Answer:
    """Stop a session's server and take its GPUs back; the workspace stays.

    One's own, or an administrator. The GPUs are free as soon as the container's end is proven,
    which takes some seconds.
    """
    session = await _changeable(call)
    lease, actor = session.lease, call.visitor.actor
    own = call.visitor.is_self(lease.user)
    reason = "its user released it" if own else f"{actor} released it"
    if not await call.office.act(lambda broker: broker.sessions.release(lease.id, actor, reason)):
        raise missing("The session has ended meanwhile.")
    await call.office.hub.stop_server(lease.user, lease.server)
    now = await call.office.look(lambda broker: broker.sessions.get(lease.id))
    if now is not None:
        return Answer(shown(now), status=202)
    ended = await call.office.look(lambda broker: broker.leases.get(lease.id))
    return Answer(_ended(ended or lease), status=202)


async def _changeable(call: Call) -> Session:
    """Return the session that the visitor wants to change.

    Raises:
        Refusal: there is none that they may know of, or they may only look at it.
    """
    session = await call.office.look(lambda broker: broker.sessions.get(call.path["id"]))
    names = await readable(call)
    if session is None or (names is not None and session.lease.user not in names):
        raise missing("There is no session of that id, or it has ended.")
    if not owns_or_manages(call, session.lease.user):
        raise forbidden("Only its user and administrators may change this session.")
    return session


def _live(broker: DeskBroker, names: Collection[str] | None) -> list[Session]:
    if names is not None and len(names) == 1:
        return broker.sessions.live(next(iter(names)))
    return [
        session
        for session in broker.sessions.live()
        if names is None or session.lease.user in names
    ]


def _history(
    broker: DeskBroker, names: Collection[str] | None, offset: int, limit: int
) -> tuple[list[Lease], int]:
    return broker.leases.history(names, offset, limit)


def shown(session: Session) -> SessionShown:
    """Return a live session as the API tells it."""
    because = session.ends_because
    return _told(
        session.lease,
        ends_at=session.ends_at,
        ends_because=None if because is None else because.value,
        why=session.why,
        warning_at=session.warning_at,
        can_extend=session.can_extend,
        extendable_until=session.extendable_until,
        idle_since=session.idle_since,
    )


def _ended(lease: Lease) -> SessionShown:
    return _told(
        lease,
        ends_at=None,
        ends_because=None,
        why=f"The session is over: {lease.end_reason or 'it was stopped'}.",
        warning_at=None,
        can_extend=False,
        extendable_until=None,
        idle_since=None,
    )


def _told(lease: Lease, **about_its_end: object) -> SessionShown:
    return SessionShown.model_validate(
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
            **about_its_end,
        }
    )
