"""Who asks the desk for something, and how far their rights reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpudock.config.shared_volume import ACCESS_SCOPE, MANAGE_SCOPE, READ_SCOPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose things a right is about.

    Attributes:
        everyone: everybody's, and the lab's own.
        groups: the members' of these groups.
        users: these users'.
    """

    everyone: bool = False
    groups: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()

    @property
    def beyond_oneself(self) -> bool:
        """Whether it reaches anybody at all."""
        return self.everyone or bool(self.groups or self.users)

    def covers(self, user: str, groups: Iterable[str]) -> bool:
        """Tell whether it reaches a user who is in these groups now."""
        return self.everyone or user in self.users or not self.groups.isdisjoint(groups)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody whom the Hub has identified.

    Attributes:
        user: the name of the user; ``None`` for a service of the Hub.
        actor: what the audit trail calls them.
        groups: the user's groups at the Hub.
        reads: whose things they may see, besides their own.
        manages: whose quotas they may change; with ``everyone`` all of the lab.
        is_server: the token is one of a user's server, which runs what its user runs: it may ask
            for that user's sessions, limits and places in the queue, extend and end the sessions,
            and nothing else.
        by_cookie: they came with a browser, not with a token.
    """

    user: str | None
    actor: str
    groups: tuple[str, ...]
    reads: Reach
    manages: Reach
    is_server: bool = False
    by_cookie: bool = False

    def is_self(self, user: str) -> bool:
        """Tell whether *user* is who asks."""
        return self.user is not None and user == self.user


def identify(model: Mapping[str, Any], *, by_cookie: bool) -> Visitor | None:
    """Return who the Hub says it is; ``None`` for somebody who has no access to the desk.

    Args:
        model: the Hub's answer to «who am I».
        by_cookie: whether a browser's cookie stood for the token.
    """
    scopes = list(model.get("scopes") or ())
    manages, reads = _reach(MANAGE_SCOPE, scopes), _reach(READ_SCOPE, scopes)
    if by_cookie and model.get("admin"):
        # A session that began before its user was made an administrator lacks the scopes.
        manages = reads = Reach(everyone=True)
    if not (
        _reach(ACCESS_SCOPE, scopes).everyone or reads.beyond_oneself or manages.beyond_oneself
    ):
        return None
    name = str(model["name"])
    is_user = model.get("kind", "user") == "user"
    return Visitor(
        user=name if is_user else None,
        actor=name if is_user else f"service {name}",
        groups=tuple(sorted(model.get("groups") or ())) if is_user else (),
        reads=reads,
        manages=manages,
        is_server=is_user and _is_server(name, scopes),
        by_cookie=by_cookie,
    )


def _reach(wanted: str, scopes: Iterable[str]) -> Reach:
    """Return how far *wanted* reaches, by the scopes of its name with and without a filter."""
    base, _, condition = wanted.partition("!")
    everyone = False
    groups: set[str] = set()
    users: set[str] = set()
    for scope in scopes:
        name, separator, held = scope.partition("!")
        if name != base:
            continue
        kind, _, value = held.partition("=")
        if not separator or (condition and held == condition):
            everyone = True
        elif kind == "group":
            groups.add(value)
        elif kind == "user":
            users.add(value)
    return Reach(everyone, frozenset(groups), frozenset(users))


def _is_server(user: str, scopes: Iterable[str]) -> bool:
    """Tell whether a token is one of a user's server: it has that server and not its user's all."""
    servers = [scope for scope in scopes if scope.startswith("access:servers")]
    all_of_user = {"access:servers", f"access:servers!user={user}"}
    return bool(servers) and all_of_user.isdisjoint(servers)
