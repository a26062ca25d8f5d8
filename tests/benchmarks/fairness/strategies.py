"""Users who try to get more than their fair part of a full lab, and what they get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.fairness.closed_loop import DAY, HOUR, STEP, STOPPING, ClosedLoop, User
from gpudock.model import LeaseState, Quota
from gpudock.policy.scheduling.fair_share import FairShare

if TYPE_CHECKING:
    from benchmarks.fairness.closed_loop import Strategy
    from gpudock.policy.scheduling.ordering import Ordering


def one_server(lab: ClosedLoop, user: str) -> None:
    """Always want one server, as all others do."""
    lab.ask(user)


def many_servers(count: int, gpus: int = 1, hours: float | None = None) -> Strategy:
    """Start so many servers at once, and each again as soon as it ends or was stopped."""

    def act(lab: ClosedLoop, user: str) -> None:
        for number in range(count):
            lab.ask(user, f"server{number}", gpus)
        for lease in lab.running(user):
            if hours is not None and lab.now - lease.granted_at >= hours * HOUR:
                lab.stop(user, lease.server)

    return act


def ask_while_stopping(lab: ClosedLoop, user: str) -> None:
    """Stop a server in time, and ask for the next one while its container is being stopped."""
    leases = lab.running(user)
    for lease in leases:
        if lease.expires_at is not None and lease.expires_at - lab.now <= STOPPING + STEP:
            lab.stop(user, lease.server)
    if all(lease.state is LeaseState.STOPPING for lease in leases) and not lab.waits_for(user):
        lab.ask(user, "b" if leases and leases[0].server == "a" else "a")


def cancel_and_ask_again(count: int, hours: float) -> Strategy:
    """Start so many servers at once; cancel what waits for so long, and ask again."""

    def act(lab: ClosedLoop, user: str) -> None:
        for request in lab.waits_for(user):
            if lab.now - request.created_at >= hours * HOUR:
                lab.give_up(user, request.server)
        many_servers(count)(lab, user)

    return act


def keep_the_oldest(count: int) -> Strategy:
    """Start so many servers at once; as soon as one runs, cancel and ask again for the others."""

    def act(lab: ClosedLoop, user: str) -> None:
        if any(lease.granted_at == lab.now - STEP for lease in lab.running(user)):
            for request in lab.waits_for(user):
                lab.give_up(user, request.server)
        many_servers(count)(lab, user)

    return act


def come_back_for(days: float, count: int) -> Strategy:
    """Stay away for so many days, then start so many servers at once."""

    def act(lab: ClosedLoop, user: str) -> None:
        if lab.now >= days * DAY:
            many_servers(count)(lab, user)

    return act


@dataclass(frozen=True)
class Trick:
    """A way to try to get more.

    Attributes:
        name: for the table.
        strategy: what the user does.
        max_gpus: the user's limit.
        gpus: how many GPUs one session has.
        members: how many users do the same; with a group's cap if there are several.
        cap: of their group.
    """

    name: str
    strategy: Strategy
    max_gpus: int | None = 1
    gpus: int = 1
    members: int = 1
    cap: int | None = None


TRICKS = (
    Trick("one server, as the others", one_server),
    Trick("four servers, limit 1", many_servers(4)),
    Trick("asks while a server stops, limit 1", ask_while_stopping),
    Trick("four servers of 30 minutes, limit 1", many_servers(4, hours=0.5)),
    Trick("cancels and asks again each hour, limit 1", cancel_and_ask_again(4, 1.0)),
    Trick("cancels and asks again each hour, no limit", cancel_and_ask_again(8, 1.0), None),
    Trick("cancels after each start, no limit", keep_the_oldest(8), None),
    Trick("four servers, limit 2", many_servers(4), 2),
    Trick("eight servers, no limit", many_servers(8), None),
    Trick("eight servers of an hour, no limit", many_servers(8, hours=1.0), None),
    Trick("comes on the third day, eight servers", come_back_for(2.0, 8), None),
    Trick("two servers of four GPUs", many_servers(2, 4), None, 4),
    Trick("six members of a group with a cap of 2", one_server, members=6, cap=2),
)


@dataclass(frozen=True)
class Gain:
    """What a trick came to.

    Attributes:
        part: what the user got of the fair part; of several users the one who got most.
        session: one session of the user as part of the fair part.
    """

    part: float
    session: float

    @property
    def is_fair(self) -> bool:
        """Whether it is 1.1 of the fair part at most, or no more than one session beyond it."""
        return self.part <= max(1.1, 1 + self.session)


def gain(
    trick: Trick,
    gpus: int,
    others: int,
    hours: float,
    days: float = 7.0,
    ordering: Ordering | None = None,
) -> Gain:
    """Return what a trick gains in a lab in which all others always want one server.

    Args:
        trick: the trick.
        gpus: of the lab.
        others: how many users there are not counting those of the trick.
        hours: length of all sessions.
        days: for how long.
        ordering: the order of the queue.
    """
    lab = ClosedLoop(gpus, DAY, ordering or FairShare())
    if trick.cap is not None:
        lab.caps["group"] = trick.cap
    players = [f"player{number}" for number in range(trick.members)]
    for name in players:
        quota = Quota(max_gpus=trick.max_gpus, max_session_hours=hours)
        lab.users[name] = User(trick.strategy, quota, None if trick.cap is None else "group")
    for number in range(others):
        lab.users[f"other{number}"] = User(one_server, Quota(max_session_hours=hours))
    lab.run(days * DAY)
    fair = sum(user.got for user in lab.users.values()) / len(lab.users)
    most = max(lab.users[name].got for name in players)
    return Gain(most / fair, trick.gpus * hours * HOUR / fair)
