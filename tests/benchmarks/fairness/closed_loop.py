"""A lab whose users act on what they get: they ask again, stop early, give up, try to gain.

Time goes in steps of ten minutes. The production queue decides in each step, with the same rules
for the time-out and the waiting time that the hub applies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TYPE_CHECKING

from benchmarks.fairness.jobs import device
from gpudock.model import GPUState, Lease, LeaseState, Quota, Request
from gpudock.policy.gpu_health import DeviceHealth
from gpudock.policy.quota.resolve import Cap, Usage, resolve, usage
from gpudock.policy.scheduling.decide import decide
from gpudock.policy.scheduling.fair_share import HALF_LIFE_DAYS, FairShare, decayed_use
from gpudock.policy.scheduling.snapshot import Snapshot, Waiting
from gpudock.policy.scheduling.waiting_time import Claim, counted_since

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.policy.quota.resolve import EffectiveQuota
    from gpudock.policy.scheduling.ordering import Ordering

    Strategy = Callable[["ClosedLoop", str], None]

HOUR = 3600.0
DAY = 86400.0
STEP = 600.0
# How long a container takes to stop, and its GPU to be free.
STOPPING = 600.0


@dataclass
class User:
    """A user of the lab.

    Attributes:
        acts: what the user does in each step.
        quota: the limits in force.
        group: the group whose cap counts.
        got: GPU-seconds so far.
    """

    acts: Strategy
    quota: Quota = field(default_factory=Quota)
    group: str | None = None
    got: float = 0.0


@dataclass
class ClosedLoop:
    """A lab of *gpus* GPUs on one host.

    Attributes:
        gpus: how many GPUs there are.
        timeout: after this many seconds a request is removed from the queue.
        ordering: the order of the queue.
        users: by name; the members may change while the lab runs.
        caps: group to the GPUs that its members may have at once.
        waits: user to the waiting times of their requests, seconds.
        timed_out: how often the time-out removed a request.
        ended: how many sessions have ended.
    """

    gpus: int
    timeout: float = math.inf
    ordering: Ordering = field(default_factory=FairShare)
    users: dict[str, User] = field(default_factory=dict)
    caps: dict[str, int] = field(default_factory=dict)
    now: float = 0.0
    waits: dict[str, list[float]] = field(default_factory=dict)
    timed_out: int = 0
    ended: int = 0
    _number: int = 0
    _next: str | None = None
    _waiting: dict[tuple[str, str], Waiting] = field(default_factory=dict)
    _since: dict[tuple[str, str], float] = field(default_factory=dict)
    _kept: dict[tuple[str, str], tuple[Waiting, float]] = field(default_factory=dict)
    _leases: dict[tuple[str, str], Lease] = field(default_factory=dict)
    _ends: dict[tuple[str, str], float] = field(default_factory=dict)
    _history: list[Lease] = field(default_factory=list)
    _counted: int = 0
    _ended_use: dict[str, float] = field(default_factory=dict)
    _ended_use_at: float = 0.0

    def __post_init__(self) -> None:
        self._gpus = [device(number, number, "host", "T4", 15360) for number in range(self.gpus)]

    # What users do.

    def ask(self, user: str, server: str = "", gpus: int = 1) -> None:
        """Start a server, unless it runs or waits, or the limits refuse it at once."""
        key = (user, server)
        lease = self._leases.get(key)
        if key in self._waiting or (lease is not None and lease.state is not LeaseState.STOPPING):
            return
        limit = self.users[user].quota.max_gpus
        held = usage((x for (_, name), x in self._leases.items() if name != server), user)
        if limit is not None and held.gpus - held.stopping + gpus > limit:
            return
        self._number += 1
        created = self.now
        sequence = self._number
        kept = self._kept.pop(key, None)
        if kept is not None:
            item, settled = kept
            sequence, created = item.sequence, self.now - (settled - item.request.created_at)
        group = self.users[user].group
        groups = () if group is None else (group,)
        request = Request(f"r{sequence}", user, server, gpus, created, "image", groups=groups)
        self._waiting[key] = Waiting(sequence, request, resolve(self.users[user].quota))
        self._since[key] = self.now

    def give_up(self, user: str, server: str = "") -> None:
        """Cancel a waiting request."""
        self._waiting.pop((user, server), None)

    def stop(self, user: str, server: str = "") -> None:
        """Stop a running server."""
        lease = self._leases.get((user, server))
        if lease is not None and lease.state is not LeaseState.STOPPING:
            self._leases[user, server] = replace(lease, state=LeaseState.STOPPING)
            self._ends[user, server] = min(self._ends[user, server], self.now + STOPPING)

    def running(self, user: str) -> list[Lease]:
        """Return the leases of a user, those included whose container is being stopped."""
        return [lease for lease in self._leases.values() if lease.user == user]

    def waits_for(self, user: str) -> list[Request]:
        """Return the waiting requests of a user."""
        return [item.request for item in self._waiting.values() if item.request.user == user]

    # The lab.

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Run for so long, or until a step after which *until* holds."""
        end = self.now + seconds
        while self.now < end and not until():
            self._step()
            self.now += STEP

    def snapshot(self) -> Snapshot:
        """Return the lab as the queue sees it now."""
        leases = tuple(self._leases.values())
        taken = {uuid for lease in leases for uuid in lease.gpu_uuids}
        waiting = tuple(
            replace(
                item,
                effective=self._effective(item, leases),
                is_next=item.request.id == self._next,
            )
            for item in self._waiting.values()
        )
        return Snapshot(
            now=self.now,
            devices=tuple(
                DeviceHealth(
                    gpu,
                    GPUState.LEASED if gpu.uuid in taken else GPUState.FREE,
                    None,
                    grantable=True,
                    in_service=True,
                )
                for gpu in self._gpus
            ),
            leases=leases,
            waiting=waiting,
            recent_use=self._recent_use({item.request.user for item in waiting}),
            counted_since=counted_since(waiting, self._claims(waiting), self.now),
        )

    def _effective(self, item: Waiting, leases: tuple[Lease, ...]) -> EffectiveQuota:
        """Return the limits of a request's user, with what is used of them."""
        used = usage(leases, item.request.user)
        caps = tuple(
            Cap(
                group,
                self.caps[group],
                used=Usage(
                    sum(
                        len(lease.gpu_uuids)
                        for lease in leases
                        if self.users[lease.user].group == group
                    )
                ),
            )
            for group in item.request.groups
        )
        return replace(item.effective, used=used, caps=caps)

    def _claims(self, waiting: tuple[Waiting, ...]) -> list[Claim]:
        """Return the sessions since the oldest request that waits."""
        since = min((item.request.created_at for item in waiting), default=self.now)
        ended = takewhile(lambda lease: lease.ended_at >= since, reversed(self._history))
        return [
            Claim(
                lease.user,
                len(lease.gpu_uuids),
                lease.granted_at,
                math.inf if lease.ended_at is None else lease.ended_at,
                int(lease.id[1:]),
            )
            for lease in [*self._leases.values(), *ended]
        ]

    def _step(self) -> None:
        for key, end in list(self._ends.items()):
            if end <= self.now:
                del self._ends[key]
                self.ended += 1
                self._history.append(replace(self._leases.pop(key), ended_at=self.now))
        for key, since in list(self._since.items()):
            if key in self._waiting and self.now - since >= self.timeout:
                self.timed_out += 1
                self._kept[key] = (self._waiting.pop(key), self.now)
        for name, user in list(self.users.items()):
            user.acts(self, name)
        if self._waiting:
            self._grant()
        for lease in self._leases.values():
            self.users[lease.user].got += len(lease.gpu_uuids) * STEP

    def _grant(self) -> None:
        decision = decide(self.snapshot(), self.ordering)
        self._next = decision.next_request
        for grant in decision.grants:
            request = grant.request
            key = (request.user, request.server)
            del self._waiting[key]
            self.waits.setdefault(request.user, []).append(self.now - request.created_at)
            self._leases[key] = Lease(
                request.id,
                request.user,
                request.server,
                "image",
                grant.gpu_uuids,
                self.now,
                expires_at=grant.expires_at,
                latest_end=grant.latest_end,
                backfilled=grant.backfilled,
            )
            self._ends[key] = math.inf if grant.expires_at is None else grant.expires_at

    def _recent_use(self, users: set[str]) -> dict[str, float]:
        # The sum over ended leases fades as a whole, from step to step.
        fading = math.exp2(-(self.now - self._ended_use_at) / (HALF_LIFE_DAYS * DAY))
        self._ended_use = {user: seconds * fading for user, seconds in self._ended_use.items()}
        self._ended_use_at = self.now
        for lease in self._history[self._counted :]:
            seconds = decayed_use(lease.gpu_share, lease.granted_at, lease.ended_at, self.now)
            self._ended_use[lease.user] = self._ended_use.get(lease.user, 0.0) + seconds
        self._counted = len(self._history)
        use = {user: self._ended_use.get(user, 0.0) for user in users}
        for lease in self._leases.values():
            if lease.user in use:
                use[lease.user] += decayed_use(
                    lease.gpu_share, lease.granted_at, self.now, self.now
                )
        return use


def ask_once(lab: ClosedLoop, user: str) -> None:
    """Ask for one session, and again for as long as there was none."""
    if user not in lab.waits:
        lab.ask(user)


def wait_of_a_large_request(
    gpus: int,
    ahead: int,
    small_hours: float,
    large_hours: float,
    timeout: float,
    max_days: float,
    joining: int = 1,
) -> tuple[float | None, int]:
    """Return how long a request for the whole lab waits, and how often the time-out removed it.

    The lab is full, *ahead* requests for one GPU wait before it, and whenever a session ends, new
    users ask for one. After a time-out everybody asks again at once.

    Args:
        gpus: of the lab.
        ahead: how many small requests wait before it.
        small_hours: length of their sessions.
        large_hours: length of its session.
        timeout: seconds.
        max_days: for how long to wait for it at most.
        joining: how many new users ask at each end of a session.

    Returns:
        Its wait in hours, ``None`` when it has not started; and the number of time-outs.
    """
    lab = ClosedLoop(gpus, timeout)
    joined = 0

    def join(hours: float) -> None:
        nonlocal joined
        name = f"small{joined}"
        joined += 1
        lab.users[name] = User(ask_once, Quota(max_gpus=None, max_session_hours=hours))
        lab.ask(name)

    def newcomers(lab: ClosedLoop, user: str) -> None:
        for _ in range(joining * lab.ended - newcomers_so_far()):
            join(small_hours)

    def newcomers_so_far() -> int:
        return joined - gpus - ahead

    # The sessions that run first end one after another, as in a lab that has run for long.
    for number in range(gpus):
        join(small_hours * (number + 1) / gpus)
    lab.run(STEP)
    for _ in range(ahead):
        join(small_hours)
    begin = lab.now
    lab.users["large"] = User(
        lambda lab, user: lab.ask(user, gpus=gpus),
        Quota(max_gpus=None, max_session_hours=large_hours),
    )
    lab.ask("large", gpus=gpus)
    lab.users["door"] = User(newcomers)
    lab.run(max_days * DAY, until=lambda: bool(lab.running("large")))
    started = lab.running("large")
    return (started[0].granted_at - begin) / HOUR if started else None, lab.timed_out
