"""Who stops a server at the Hub, and why a server ended last.

The Hub does not pass on to a spawner who asked it to stop a server. Its users want to know.
"""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyterhub.handlers.base import BaseHandler

from gpudock.model import LeaseState
from gpudock.policy.end_reasons import RELEASED_BY_USER, STOPPED, explain, released_by

if TYPE_CHECKING:
    from gpudock.broker import Broker


@dataclass(frozen=True, slots=True)
class LastEnd:
    """The end of a server's last session.

    Attributes:
        text: why it ended, as a phrase for its user.
        at: Unix time; ``None`` while it is still being stopped.
    """

    text: str
    at: float | None

    @property
    def iso(self) -> str:
        """The time of the end for programs; empty while there is none."""
        return "" if self.at is None else _utc(self.at).isoformat(timespec="seconds")

    @property
    def in_utc(self) -> str:
        """The time of the end for browsers without scripts; empty while there is none."""
        return "" if self.at is None else f"{_utc(self.at):%Y-%m-%d %H:%M} UTC"


def _utc(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def last_end(broker: Broker, user: str, server: str, since: dt.datetime | None) -> LastEnd | None:
    """Return how a server's last session ended; ``None`` if it goes on, or there was none.

    Args:
        broker: the hub's.
        user: whose server it is.
        server: its name; empty for the default server.
        since: when the account was made, in UTC without a time zone, as the Hub has it. Sessions
            of an earlier account of the same name are somebody else's.
    """
    lease = broker.leases.latest_of_server(user, server)
    if lease is None or lease.state not in (LeaseState.STOPPING, LeaseState.ENDED):
        return None
    if since is not None and lease.granted_at < since.replace(tzinfo=dt.UTC).timestamp():
        return None
    return LastEnd(explain(lease, user).text, lease.ended_at)


def stop_reason(actor: str | None, user: str) -> str:
    """Return what the lease keeps as the reason of a stop at the Hub.

    Args:
        actor: who asked for it; ``None``: not known.
        user: whose server it is.
    """
    if actor is None:
        return STOPPED
    return RELEASED_BY_USER if actor == user else released_by(actor)


def record_who_stops() -> None:
    """Make the Hub set the attribute ``stopped_by`` of each spawner that a request stops."""
    original = BaseHandler.stop_single_user

    @functools.wraps(original)
    async def stop_single_user(self: Any, user: Any, server_name: str = "") -> Any:
        if server_name in user.spawners:
            user.spawners[server_name].stopped_by = _actor(self.current_user)
        return await original(self, user, server_name)

    BaseHandler.stop_single_user = stop_single_user


def _actor(principal: Any) -> str | None:
    if principal is None:
        return None
    name = str(principal.name)
    return name if getattr(principal, "kind", "user") == "user" else f"service {name}"
