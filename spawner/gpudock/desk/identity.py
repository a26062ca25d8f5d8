"""Who sends a request, and what they may read and manage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gpudock.config.shared_volume import ACCESS_SCOPE, MANAGE_SCOPE, READ_SCOPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose data a right covers. An empty scope is false.

    Attributes:
        everyone: everybody's, and the lab's own.
        groups: the members' of these groups.
        users: these users'.
    """

    everyone: bool = False
    groups: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.everyone or bool(self.groups or self.users)

    def covers(self, user: str, groups: Iterable[str]) -> bool:
        """Return whether it covers a user who is in *groups* now."""
        return self.everyone or user in self.users or not self.groups.isdisjoint(groups)


@dataclass(frozen=True, slots=True)
class Principal:
    """A user or service that the Hub has identified.

    Attributes:
        user: the user's name; ``None`` for a service.
        actor: its name in the audit trail.
        groups: the user's groups at the Hub.
        reads: whose data it may read, in addition to its own.
        manages: whose quotas it may change; with ``everyone`` the whole lab.
        is_server: it came with the token of a user's server. Such a token may read that user's
            sessions, limits and places in the queue, extend and end the sessions, and nothing else.
        by_cookie: it came with a browser's cookie, not with a token.
    """

    user: str | None
    actor: str
    groups: tuple[str, ...]
    reads: Scope
    manages: Scope
    is_server: bool = False
    by_cookie: bool = False

    def is_self(self, user: str) -> bool:
        """Return whether the principal is *user*."""
        return self.user is not None and user == self.user


def may_act_as_manager(principal: Principal, model: Mapping[str, Any]) -> bool:
    """Return whether a principal may use what they were given as a manager of a group here.

    That is no scope of the Hub. A token counts if it has all rights of its user, who could make
    any other token with it; one that was made for less does not.
    """
    if principal.user is None or principal.is_server or not principal.groups:
        return False
    everything = {"tokens", f"tokens!user={principal.user}"}
    return principal.by_cookie or not everything.isdisjoint(model.get("scopes") or ())


def with_groups(principal: Principal, groups: frozenset[str]) -> Principal:
    """Return a principal who also manages *groups*."""
    return replace(
        principal,
        reads=replace(principal.reads, groups=principal.reads.groups | groups),
        manages=replace(principal.manages, groups=principal.manages.groups | groups),
    )


def identify(model: Mapping[str, Any], *, by_cookie: bool) -> Principal | None:
    """Return the principal; ``None`` if it has no access to the desk.

    Args:
        model: the Hub's model of the owner of a token.
        by_cookie: whether the token came from a browser's cookie.
    """
    scopes = list(model.get("scopes") or ())
    manages, reads = _scope(MANAGE_SCOPE, scopes), _scope(READ_SCOPE, scopes)
    if by_cookie and model.get("admin"):
        # A session that began before its user became an administrator lacks the scopes.
        manages = reads = Scope(everyone=True)
    if not (_scope(ACCESS_SCOPE, scopes).everyone or reads or manages):
        return None
    name = str(model["name"])
    is_user = model.get("kind", "user") == "user"
    return Principal(
        user=name if is_user else None,
        actor=name if is_user else f"service {name}",
        groups=tuple(sorted(model.get("groups") or ())) if is_user else (),
        reads=reads,
        manages=manages,
        is_server=is_user and _is_server(name, scopes),
        by_cookie=by_cookie,
    )


def _scope(wanted: str, held: Iterable[str]) -> Scope:
    """Return what the Hub's scopes of the name *wanted* cover, with and without a filter."""
    base, _, condition = wanted.partition("!")
    everyone = False
    groups: set[str] = set()
    users: set[str] = set()
    for scope in held:
        name, separator, filtered = scope.partition("!")
        if name != base:
            continue
        kind, _, value = filtered.partition("=")
        if not separator or (condition and filtered == condition):
            everyone = True
        elif kind == "group":
            groups.add(value)
        elif kind == "user":
            users.add(value)
    return Scope(everyone, frozenset(groups), frozenset(users))


def _is_server(user: str, scopes: Iterable[str]) -> bool:
    """Return whether a token is a server's: it may access that server, but not all of its user."""
    servers = [scope for scope in scopes if scope.startswith("access:servers")]
    all_of_user = {"access:servers", f"access:servers!user={user}"}
    return bool(servers) and all_of_user.isdisjoint(servers)
