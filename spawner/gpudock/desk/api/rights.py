"""Whose things a visitor may see and change: themselves, a group's members, or everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.broker import Lead, Member
from gpudock.desk.errors import forbidden

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.desk.endpoints import Call
    from gpudock.desk.identity import Reach


async def readable(call: Call) -> frozenset[str] | None:
    """Return the users whose things the visitor may see; ``None``: everybody's.

    Raises:
        Refusal: the visitor leads a group, and the Hub cannot tell who is in it.
    """
    if call.visitor.is_server:
        return _oneself(call)
    return await _reached(call, call.visitor.reads)


async def may_read(call: Call, user: str) -> None:
    """Make sure that the visitor may see the things of *user*.

    Raises:
        Refusal: they may not.
    """
    names = await readable(call)
    if names is not None and user not in names:
        raise forbidden("These are somebody else's things, which you may not see.")


async def may_set_quotas(call: Call, places: Iterable[tuple[str, str]]) -> Lead | None:
    """Make sure that the visitor may change the quotas of levels, each with its name.

    The lead of a group may change those of its members, as the Hub tells them at this moment, and
    neither the group's own nor the default.

    Returns:
        What bounds the visitor; ``None`` for an administrator, whom nothing does.

    Raises:
        Refusal: they may not.
    """
    manages = call.visitor.manages
    if manages.everyone:
        return None
    members: dict[str, Member] = {}
    for level, name in places:
        if level != "user" or not manages.beyond_oneself:
            raise forbidden(
                "Only an administrator may change this quota. The lead of a group may change the"
                " quotas of its members."
            )
        person = await call.office.hub.person(name)
        if person is None or not manages.covers(person.name, person.groups):
            raise forbidden(f"«{name}» is not one of those whose quota you may change.")
        led = tuple(group for group in person.groups if group in manages.groups)
        # Whom they manage by name and in no group of theirs has what all their own groups have.
        members[name] = Member(led or person.groups, person.groups)
    return Lead(call.visitor.user, members)


def owns_or_manages(call: Call, user: str) -> bool:
    """Tell whether a thing of *user* is the visitor's own, or the visitor is an administrator."""
    return call.visitor.is_self(user) or call.visitor.manages.everyone


def _oneself(call: Call) -> frozenset[str]:
    return frozenset() if call.visitor.user is None else frozenset({call.visitor.user})


async def _reached(call: Call, reach: Reach) -> frozenset[str] | None:
    if reach.everyone:
        return None
    names = _oneself(call) | reach.users
    if reach.groups:
        people = await call.office.hub.people()
        names |= {
            person.name for person in people.values() if reach.covers(person.name, person.groups)
        }
    return names
