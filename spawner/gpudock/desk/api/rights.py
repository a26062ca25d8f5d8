"""Whose data a principal may read and change: their own, a group's members', or everybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.broker import Lead, Member
from gpudock.desk.errors import ForbiddenError
from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.desk.endpoints import APIRequest


async def readable_users(request: APIRequest) -> frozenset[str] | None:
    """Return the users whose data the principal may read; ``None``: everybody's.

    Raises:
        HubUnreachableError: the principal leads a group, and its members are not known.
    """
    principal = request.principal
    own = frozenset() if principal.user is None else frozenset({principal.user})
    if principal.is_server:
        return own
    reads = principal.reads
    if reads.everyone:
        return None
    users = own | reads.users
    if reads.groups:
        known = await request.backend.hub.users()
        users |= {user.name for user in known.values() if reads.covers(user.name, user.groups)}
    return users


async def check_may_read(request: APIRequest, user: str) -> None:
    """Raise :class:`ForbiddenError` unless the principal may read the data of *user*."""
    users = await readable_users(request)
    if users is not None and user not in users:
        raise ForbiddenError(Message("You may not see the data of this user."))


async def check_may_set_quotas(
    request: APIRequest, documents: Iterable[tuple[str, str]]
) -> Lead | None:
    """Check that the principal may change these documents, each given by level and name.

    The lead of a group may change those of its present members, but neither the group's own nor the
    default.

    Returns:
        The bounds of the lead's changes; ``None`` for an administrator, who has none.

    Raises:
        ForbiddenError: the principal may not change one of them.
    """
    manages = request.principal.manages
    if manages.everyone:
        return None
    members: dict[str, Member] = {}
    for level, name in documents:
        if level != "user" or not manages:
            raise ForbiddenError(
                Message(
                    "Only an administrator may change this quota. The lead of a group may change"
                    " the quotas of its members."
                )
            )
        user = await request.backend.hub.user(name)
        if user is None or not manages.covers(user.name, user.groups):
            raise ForbiddenError(Message('You may not change the quota of "{name}".', name=name))
        led = tuple(group for group in user.groups if group in manages.groups)
        # A principal who manages the user by name, not by group, is bound by all their groups.
        members[name] = Member(led or user.groups, user.groups)
    return Lead(request.principal.user, members)


def owns_or_manages(request: APIRequest, user: str) -> bool:
    """Return whether the principal is *user* or an administrator."""
    return request.principal.is_self(user) or request.principal.manages.everyone
