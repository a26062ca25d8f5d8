"""The replay: time goes from event to event, and the production queue decides at each."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TYPE_CHECKING

from gpudock.model import GPUState, Lease, Quota, Request, Share
from gpudock.policy.gpu_health import DeviceHealth
from gpudock.policy.quota.resolve import resolve, usage
from gpudock.policy.scheduling.decide import decide
from gpudock.policy.scheduling.fair_share import HALF_LIFE_DAYS
from gpudock.policy.scheduling.snapshot import Snapshot, Waiting
from gpudock.policy.scheduling.waiting_time import Claim, counted_since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.fairness.jobs import Job, Setting
    from gpudock.policy.quota.resolve import EffectiveQuota
    from gpudock.policy.scheduling.ordering import Ordering

# Events within so many seconds are decided on together, as in a hub that looks now and then.
_TICK = 30.0
_RATE = math.log(2) / (HALF_LIFE_DAYS * 86400)


@dataclass(frozen=True)
class Policy:
    """A way to run the queue."""

    name: str
    ordering: Ordering
    backfill: bool


@dataclass(slots=True)
class Run:
    """One job as it went.

    Attributes:
        job: the request.
        start, end: when it ran, seconds.
        gpu_share: how many GPUs it had; a fraction of one for a slot.
        uuids: which.
        backfilled: it passed another request.
    """

    job: Job
    start: float
    end: float
    gpu_share: float
    uuids: tuple[str, ...]
    backfilled: bool


@dataclass(slots=True)
class _Use:
    """A user's use, older GPU-seconds counting less; exact between two changes."""

    value: float = 0.0
    at: float = 0.0
    gpus: float = 0.0

    def now(self, at: float) -> float:
        fading = math.exp(-_RATE * (at - self.at))
        return self.value * fading + self.gpus * (1 - fading) / _RATE

    def change(self, at: float, gpus: float) -> None:
        self.value, self.at = self.now(at), at
        self.gpus += gpus


@dataclass
class Replay:
    """One lab under one policy.

    Attributes:
        setting: the lab.
        policy: how its queue is run.
        runs: every job, once it has started.
        decisions: how often the queue was decided on.
    """

    setting: Setting
    policy: Policy
    runs: list[Run] = field(default_factory=list)
    decisions: int = 0
    _next: str | None = None

    def go(self) -> Replay:
        """Run to the end of the last job."""
        waiting: dict[str, Waiting] = {}
        running: dict[str, tuple[Lease, Run]] = {}
        ends: list[tuple[float, str]] = []
        use = {user: _Use() for user in self.setting.max_session_hours}
        limits = {user: self._limits(user) for user in use}
        jobs = {str(job.number): job for job in self.setting.jobs}
        for now, arrived in self._moments(ends):
            for job in arrived:
                waiting[str(job.number)] = _waiting(job, limits[job.user])
            while ends and ends[0][0] <= now:
                _, name = heapq.heappop(ends)
                lease, run = running.pop(name)
                use[lease.user].change(run.end, -run.gpu_share)
            if not waiting:
                continue
            leases = tuple(lease for lease, _ in running.values())
            for grant in self._decide(now, leases, waiting, use):
                name = grant.request.id
                job = jobs[name]
                share = len(grant.gpu_uuids) / grant.slots
                run = Run(job, now, now + job.duration, share, grant.gpu_uuids, grant.backfilled)
                self.runs.append(run)
                running[name] = (
                    Lease(
                        name,
                        job.user,
                        name,
                        "",
                        grant.gpu_uuids,
                        now,
                        expires_at=grant.expires_at,
                        latest_end=grant.latest_end,
                        slot=grant.slot,
                        slots=grant.slots,
                        backfilled=grant.backfilled,
                    ),
                    run,
                )
                use[job.user].change(now, share)
                heapq.heappush(ends, (run.end, name))
                del waiting[name]
        assert not waiting, "a job never started"
        return self

    def _moments(self, ends: list[tuple[float, str]]) -> Iterator[tuple[float, list[Job]]]:
        """Go from tick to tick at which something arrives or ends."""
        jobs = self.setting.jobs
        number = 0
        while number < len(jobs) or ends:
            following = jobs[number].arrival if number < len(jobs) else math.inf
            if ends:
                following = min(following, ends[0][0])
            now = math.ceil(following / _TICK) * _TICK
            arrived = []
            while number < len(jobs) and jobs[number].arrival <= now:
                arrived.append(jobs[number])
                number += 1
            yield now, arrived

    def _limits(self, user: str) -> EffectiveQuota:
        document = {
            "max_session_hours": self.setting.max_session_hours[user],
            "weight": self.setting.weights.get(user, 1.0),
        }
        return resolve(Quota(max_gpus=None), user=document)

    def _decide(
        self,
        now: float,
        leases: tuple[Lease, ...],
        waiting: dict[str, Waiting],
        use: dict[str, _Use],
    ) -> list:
        self.decisions += 1
        users = {item.request.user for item in waiting.values()}
        used = {user: usage(leases, user) for user in users}
        taken = {uuid for lease in leases for uuid in lease.gpu_uuids}
        snapshot = Snapshot(
            now=now,
            devices=tuple(
                DeviceHealth(
                    gpu,
                    GPUState.LEASED if gpu.uuid in taken else GPUState.FREE,
                    None,
                    grantable=True,
                    in_service=True,
                    slots=self.setting.slots.get(gpu.uuid, 1),
                )
                for gpu in self.setting.gpus
            ),
            leases=leases,
            waiting=tuple(
                replace(
                    item,
                    effective=replace(item.effective, used=used[item.request.user]),
                    is_next=item.request.id == self._next,
                )
                for item in waiting.values()
            ),
            recent_use={user: use[user].now(now) for user in users},
            counted_since=counted_since(waiting.values(), self._claims(waiting), now),
        )
        decision = decide(snapshot, self.policy.ordering, backfill=self.policy.backfill)
        self._next = decision.next_request
        return decision.grants

    def _claims(self, waiting: dict[str, Waiting]) -> list[Claim]:
        """Return the sessions since the oldest request that waits."""
        since = min(item.request.created_at for item in waiting.values())
        return [
            Claim(run.job.user, run.job.gpus, run.start, math.inf, run.job.number)
            for run in takewhile(lambda run: run.start >= since, reversed(self.runs))
        ]


def _waiting(job: Job, limits: EffectiveQuota) -> Waiting:
    request = Request(
        id=str(job.number),
        user=job.user,
        server=str(job.number),
        gpus=job.gpus,
        created_at=job.arrival,
        image="",
        gpu_model=job.model,
        share=Share.SHARED if job.shared else Share.EXCLUSIVE,
    )
    return Waiting(job.number, request, limits)
