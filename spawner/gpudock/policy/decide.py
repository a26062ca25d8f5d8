"""The decision: over one snapshot of the lab, who is granted what, and what all others wait for.

First come, first served, with two refinements:

* A later request passes an earlier one only when it takes nothing that the earlier one could use.
* A request that only its own user's limit holds back, or that waits for the same server's former
  container, or for devices that are out of service, keeps nobody else waiting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpudock.model import Denial, Place, Share, WhenBusy
from gpudock.policy import placement, quota
from gpudock.policy.forecast import Calendar
from gpudock.policy.queue import FirstCome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpudock.model import GPU, Lease, Link, Request
    from gpudock.policy.condition import Condition
    from gpudock.policy.queue import Ordering, Waiting
    from gpudock.policy.quota import EffectiveQuota, Usage


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a decision depends on.

    Attributes:
        now: Unix time.
        conditions: every device and how it stands.
        leases: the live leases.
        waiting: the queue, in any order.
        hold: one sentence on why nothing may be granted now; ``None`` when grants are open.
        inventory_known: ``conditions`` are all devices of the lab, so that a wish beyond them can
            be refused instead of waiting for devices that are only not known yet.
        recent_use: user to the GPU-seconds of the past, of which older ones count less.
        links: how the devices are connected, as far as that is known.
    """

    now: float
    conditions: tuple[Condition, ...]
    leases: tuple[Lease, ...]
    waiting: tuple[Waiting, ...]
    hold: str | None = None
    inventory_known: bool = True
    recent_use: Mapping[str, float] = field(default_factory=dict)
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """A request that gets its devices now.

    Attributes:
        request: the wish.
        gpu_uuids: the devices, sorted; empty for a server without a GPU.
        expires_at: Unix time at which the session ends unless it is extended; ``None``: no end.
        latest_end: Unix time beyond which it is not extended; ``None``: no end.
        promised: it passed somebody who was promised a start that relies on ``latest_end``.
        slot, slots: which slot of how many; one of one is the whole device.
    """

    request: Request
    gpu_uuids: tuple[str, ...]
    expires_at: float | None
    latest_end: float | None = None
    promised: bool = False
    slot: int = 0
    slots: int = 1


@dataclass(slots=True)
class Decision:
    """What follows from a snapshot. Each waiting request is in exactly one of the three.

    Attributes:
        grants: in the order in which they are to be made.
        refusals: request id to the refusal.
        places: request id to its place in the queue, in the queue's order.
    """

    grants: list[Grant] = field(default_factory=list)
    refusals: dict[str, Denial] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)

    def outcome(self, request: Request) -> Grant | Denial | Place:
        """Return what was decided on *request*, which must have been waiting."""
        for grant in self.grants:
            if grant.request.id == request.id:
                return grant
        return self.refusals.get(request.id) or self.places[request.id]


def refuse(request: Request, effective: EffectiveQuota, snapshot: Snapshot) -> Denial | None:
    """Tell whether *request* is refused outright, however long it would wait."""
    if request.gpus < 0:
        return Denial("invalid", "A server cannot have fewer than 0 GPUs. Ask for 0 or more.")
    if request.gpus == 0:
        return None
    if request.share is Share.SHARED:
        return Denial(
            "share", "This lab does not share GPUs between users. Ask for an exclusive GPU."
        )
    used = quota.usage(
        (
            lease
            for lease in snapshot.leases
            # What this very server still holds it gives back before it starts again.
            if lease.server != request.server
        ),
        request.user,
    )
    denial = quota.check(request, effective, used)
    if denial is not None:
        return denial
    if snapshot.inventory_known and request.when_busy is not WhenBusy.CPU:
        return _impossible(request, effective, snapshot)
    return None


def _impossible(request: Request, effective: EffectiveQuota, snapshot: Snapshot) -> Denial | None:
    gpus = [condition.gpu for condition in snapshot.conditions]
    fitting = placement.eligible(request, gpus, effective.quota.gpu_models)
    if placement.choose(request, fitting, ()) is not None:
        return None
    if not gpus:
        return Denial(
            "impossible", "This lab has no GPU at the moment. Ask for a server without a GPU."
        )
    models = ", ".join(sorted({gpu.model for gpu in gpus}))
    allowed = effective.quota.gpu_models
    if request.gpu_model is not None and not placement.eligible(request, gpus, None):
        message = (
            f"No GPU of this lab matches the model «{request.gpu_model}». It has: {models}. Choose"
            " one of these, or any model."
        )
    elif not fitting:
        message = (
            f"Your quota allows the models {', '.join(allowed or ()) or 'of no kind'}, and this"
            f" lab has: {models}. Ask an administrator for a quota that fits."
        )
    else:
        message = (
            f"A server asks for {request.gpus} GPUs of one host, and this lab has not as many that"
            " fit. Ask for fewer GPUs, or for another model."
        )
    return Denial("impossible", message)


def decide(snapshot: Snapshot, ordering: Ordering | None = None) -> Decision:
    """Decide on every waiting request of *snapshot*."""
    return _Round(snapshot).run((ordering or FirstCome()).order(snapshot.waiting, snapshot.now))


class _Round:
    """One pass over the queue."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.decision = Decision()
        self.gpus = tuple(condition.gpu for condition in snapshot.conditions)
        self.in_service = {c.gpu.uuid for c in snapshot.conditions if c.in_service}
        self.grantable = {c.gpu.uuid for c in snapshot.conditions if c.grantable}
        self.taken = {uuid for lease in snapshot.leases for uuid in lease.gpu_uuids}
        self.kept: set[str] = set()
        self.servers = {(lease.user, lease.server) for lease in snapshot.leases}
        self.granted_to: dict[str, int] = {}
        self.calendar: Calendar | None = None
        self.ahead = 0

    def run(self, order: list[Waiting]) -> Decision:
        reasons: list[tuple[Request, str, float | None]] = []
        for item in order:
            outcome = self._decide_one(item)
            if isinstance(outcome, Grant):
                self._note(outcome)
            elif isinstance(outcome, Denial):
                self.decision.refusals[item.request.id] = outcome
            else:
                reasons.append((item.request, *outcome))
        for position, (request, reason, start) in enumerate(reasons, start=1):
            self.decision.places[request.id] = Place(position, len(reasons), reason, start)
        return self.decision

    def _note(self, grant: Grant) -> None:
        self.decision.grants.append(grant)
        self.taken.update(grant.gpu_uuids)
        user = grant.request.user
        self.granted_to[user] = self.granted_to.get(user, 0) + len(grant.gpu_uuids)
        self.servers.add((user, grant.request.server))
        self._until(grant)

    def _until(self, grant: Grant) -> None:
        if self.calendar is not None:
            until = math.inf if grant.expires_at is None else grant.expires_at
            self.calendar.occupy(grant.gpu_uuids, until)

    def _used(self, user: str) -> Usage:
        held = quota.usage(self.snapshot.leases, user)
        return quota.Usage(held.gpus + self.granted_to.get(user, 0), held.stopping)

    def _decide_one(self, item: Waiting) -> Grant | Denial | tuple[str, float | None]:
        request, effective = item.request, item.effective
        if self.snapshot.hold is not None:
            return self.snapshot.hold, None
        if (request.user, request.server) in self.servers:
            return "The former container of this server is still being stopped.", None
        if request.gpus == 0:
            return self._grant(item, ())
        limit = effective.quota.max_gpus
        if limit is not None and request.gpus > limit:
            denial = quota.check(request, effective, quota.Usage())
            assert denial is not None
            return denial
        used = self._used(request.user)
        if not quota.fits(request, effective, used):
            return self._busy(
                item,
                f"You use {used.gpus} of the {limit} GPUs that your quota allows; this server"
                " starts when another of yours has stopped.",
            )
        return self._place(item)

    def _place(self, item: Waiting) -> Grant | Denial | tuple[str, float | None]:
        request = item.request
        fitting = placement.eligible(request, self.gpus, item.effective.quota.gpu_models)
        serving = [gpu for gpu in fitting if gpu.uuid in self.in_service]
        if placement.choose(request, serving, ()) is None:
            return self._busy(item, self._out_of_service(request, fitting, len(serving)))
        ready = [gpu for gpu in serving if gpu.uuid in self.grantable]
        chosen = placement.choose(request, ready, self.taken | self.kept, self.gpus)
        if chosen is not None:
            return self._grant(item, chosen)
        reason = self._in_the_way(request, serving)
        if request.when_busy is WhenBusy.WAIT:
            self.kept.update(gpu.uuid for gpu in serving)
            self.ahead += 1
            return reason, self._expected_start(item, serving)
        return self._busy(item, reason)

    def _grant(self, item: Waiting, uuids: tuple[str, ...]) -> Grant:
        hours = item.effective.quota.max_session_hours
        expires_at = None if hours is None else self.snapshot.now + hours * 3600
        return Grant(item.request, uuids, expires_at)

    def _busy(self, item: Waiting, reason: str) -> Grant | Denial | tuple[str, float | None]:
        match item.request.when_busy:
            case WhenBusy.CPU:
                return self._grant(item, ())
            case WhenBusy.FAIL:
                advice = "Try again later, or choose to wait."
                return Denial("busy", f"{reason} {advice}")
            case _:
                return reason, None

    def _expected_start(self, item: Waiting, serving: list[GPU]) -> float | None:
        if self.calendar is None:
            self.calendar = Calendar(self.gpus, self.snapshot.leases, self.snapshot.now)
            for grant in self.decision.grants:
                self._until(grant)
        hours = item.effective.quota.max_session_hours
        return self.calendar.book(serving, item.request.gpus, hours)

    def _out_of_service(self, request: Request, fitting: tuple[GPU, ...], serving: int) -> str:
        if not self.gpus:
            return "No GPU of this lab is known at the moment."
        if not fitting:
            return "No GPU of this lab fits this server at the moment."
        reasons = {c.gpu.uuid: c.reason for c in self.snapshot.conditions if not c.in_service}
        why = next((reasons[g.uuid] for g in fitting if reasons.get(g.uuid)), None)
        text = (
            f"This server needs {request.gpus} GPUs and {serving} that fit are in service."
            if request.gpus > 1
            else "The GPUs that fit are out of service."
        )
        return f"{text} {why}" if why else text

    def _in_the_way(self, request: Request, serving: list[GPU]) -> str:
        barred = placement.blocked(self.gpus, self.taken)
        idle = [gpu for gpu in serving if gpu.uuid not in barred]
        waiting_for_check = [gpu for gpu in idle if gpu.uuid not in self.grantable]
        if waiting_for_check:
            reasons: Mapping[str, str | None] = {
                c.gpu.uuid: c.reason for c in self.snapshot.conditions
            }
            why = reasons[waiting_for_check[0].uuid]
            if why:
                return f"A GPU that fits cannot be granted yet. {why}"
        if not idle:
            return "All GPUs that fit are in use."
        if any(gpu.uuid in placement.blocked(self.gpus, self.kept) for gpu in idle):
            who = "1 request is" if self.ahead == 1 else f"{self.ahead} requests are"
            return f"{who} ahead of this one for the GPUs that fit."
        return f"This server needs {request.gpus} GPUs at once, and {len(idle)} that fit are free."
