"""Forward simulation: whether the starts that a queue shows are kept.

A random lab with a queue is decided on once. Then nobody joins, every session runs to its latest
end, and each request must have started by the time that was shown for it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpudock.model import GPU, GPUState, Lease, Quota, Request
from gpudock.policy.gpu_health import DeviceHealth
from gpudock.policy.quota.resolve import Cap, Usage, resolve, usage
from gpudock.policy.scheduling.decide import decide
from gpudock.policy.scheduling.fair_share import recent_use
from gpudock.policy.scheduling.snapshot import Snapshot, Waiting
from gpudock.policy.scheduling.waiting_time import Claim, counted_since

if TYPE_CHECKING:
    from gpudock.policy.scheduling.ordering import Ordering

HOUR = 3600.0
START = 1_000_000.0


@dataclass(frozen=True)
class Kind:
    """A kind of lab.

    Attributes:
        name: for the table.
        mig: some GPUs are cut into slices.
        limits: users have limits of GPUs.
        caps: groups have caps.
    """

    name: str
    mig: bool = False
    limits: bool = False
    caps: bool = False


KINDS = (
    Kind("plain"),
    Kind("MIG", mig=True),
    Kind("limits of users", limits=True),
    Kind("caps of groups", caps=True),
)


@dataclass(frozen=True)
class Kept:
    """How many starts were shown, how many were late, and by how many hours at most."""

    shown: int = 0
    late: int = 0
    hours: float = 0.0

    def __add__(self, other: Kept) -> Kept:
        """Return both together."""
        return Kept(self.shown + other.shown, self.late + other.late, max(self.hours, other.hours))


def random_lab(kind: Kind, seed: int) -> Snapshot:
    """Return a lab with sessions and a queue."""
    chance = random.Random(f"{kind.name} {seed}")
    gpus: list[GPU] = []
    for host in range(chance.randint(1, 2)):
        for index in range(chance.randint(2, 4)):
            name = f"GPU-{host}-{index}"
            if kind.mig and chance.random() < 0.4:
                gpus += [
                    GPU(f"MIG-{host}-{index}-{part}", index, f"host{host}", "A MIG", 10, name, "1g")
                    for part in range(2)
                ]
            else:
                gpus.append(GPU(name, index, f"host{host}", "A", 40))
    users = [f"user{number}" for number in range(5)]
    limit = {user: chance.choice([1, 2, 3]) if kind.limits else None for user in users}
    group = {user: f"group{chance.randint(0, 1)}" if kind.caps else None for user in users}
    caps = {f"group{number}": chance.choice([1, 2, 3]) for number in range(2)}
    leases: list[Lease] = []
    for number, gpu in enumerate(gpus):
        user = chance.choice(users)
        member = group[user]
        held = sum(lease.user == user for lease in leases)
        in_group = sum(member is not None and member in lease.groups for lease in leases)
        most = limit[user]
        if chance.random() < 0.2 or (most is not None and held >= most):
            continue
        if member is not None and in_group >= caps[member]:
            continue
        end = START + chance.randint(1, 12) * HOUR
        leases.append(
            Lease(
                f"lease{number}",
                user,
                f"old{number}",
                "image",
                (gpu.uuid,),
                START - HOUR,
                expires_at=end,
                latest_end=end,
                groups=() if member is None else (member,),
            )
        )
    waiting = []
    for number in range(chance.randint(2, 8)):
        user = chance.choice(users)
        member, most = group[user], limit[user]
        largest = min(3, most or 3, caps[member] if member is not None else 3)
        request = Request(
            f"request{number}",
            user,
            f"new{number}",
            chance.randint(1, largest),
            START - 100 + number,
            "image",
            groups=() if member is None else (member,),
        )
        hours = chance.choice([1.0, 2.0, 4.0, 8.0])
        effective = resolve(Quota(max_gpus=most, max_session_hours=hours))
        if member is not None:
            effective = replace(effective, caps=(Cap(member, caps[member]),))
        waiting.append(Waiting(number, request, effective))
    return _at(
        Snapshot(
            START,
            tuple(
                DeviceHealth(gpu, GPUState.FREE, None, grantable=True, in_service=True)
                for gpu in gpus
            ),
            tuple(leases),
            tuple(waiting),
        ),
        START,
    )


def run_forward(snapshot: Snapshot, ordering: Ordering | None = None) -> Kept:
    """Run a lab on until nothing changes, and compare the starts with those that were shown.

    A start is late if it comes after the latest one that was shown.
    """
    shown = {
        name: place.latest_start
        for name, place in decide(snapshot, ordering).places.items()
        if place.latest_start is not None
    }
    sequences = {item.request.id: item.sequence for item in snapshot.waiting}
    history = list(snapshot.leases)
    started: dict[str, float] = {}
    while True:
        decision = decide(snapshot, ordering)
        for grant in decision.grants:
            started[grant.request.id] = snapshot.now
            lease = Lease(
                grant.request.id,
                grant.request.user,
                grant.request.server,
                "image",
                grant.gpu_uuids,
                snapshot.now,
                expires_at=grant.latest_end,
                latest_end=grant.latest_end,
                groups=grant.request.groups,
                slot=grant.slot,
                slots=grant.slots,
            )
            snapshot = replace(snapshot, leases=(*snapshot.leases, lease))
            history.append(lease)
        snapshot = replace(
            snapshot,
            waiting=tuple(
                replace(x, is_next=x.request.id == decision.next_request)
                for x in snapshot.waiting
                if x.request.id not in started
            ),
        )
        ends = [lease.latest_end for lease in snapshot.leases if lease.latest_end is not None]
        if not ends:
            break
        now = min(ends)
        snapshot = _at(snapshot, now)
        claims = [
            Claim(x.user, len(x.gpu_uuids), x.granted_at, x.latest_end or now, sequences.get(x.id))
            for x in history
        ]
        ended = [replace(x, ended_at=min(x.latest_end or now, now)) for x in history]
        snapshot = replace(
            snapshot,
            recent_use=recent_use(ended, now),
            counted_since=counted_since(snapshot.waiting, claims, now),
        )
    late = [
        (started.get(name, float("inf")) - start) / HOUR
        for name, start in shown.items()
        if started.get(name, float("inf")) > start + 1
    ]
    return Kept(len(shown), len(late), max(late, default=0.0))


def _at(snapshot: Snapshot, now: float) -> Snapshot:
    """Return the lab at a later time: sessions that are over are gone."""
    leases = tuple(x for x in snapshot.leases if x.latest_end is None or x.latest_end > now)
    waiting = []
    for item in snapshot.waiting:
        caps = tuple(
            replace(
                cap,
                used=Usage(sum(len(x.gpu_uuids) for x in leases if cap.group in x.groups)),
            )
            for cap in item.effective.caps
        )
        used = usage(leases, item.request.user)
        waiting.append(replace(item, effective=replace(item.effective, used=used, caps=caps)))
    return replace(snapshot, now=now, leases=leases, waiting=tuple(waiting))
