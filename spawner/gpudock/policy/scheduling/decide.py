"""The decision: over one snapshot of the lab, who is granted what, and what all others wait for.

Requests are looked at in the order that an :class:`~.ordering.Ordering` gives:

* Who can start, starts.
* Who cannot books the devices that come free first, from the latest end of the sessions on them.
* A later request passes an earlier one only where that delays nobody: on devices that nobody has
  booked, or with a session that ends before the booking begins. Such a session is *promised* to
  end by then.
* A request that only its own user's or group's limit holds back, or that waits for the same
  server's former container, or for devices that are out of service, keeps nobody else waiting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, TypeAlias

from gpudock.model import Denial, QueuePosition, Share, WhenBusy
from gpudock.policy.quota import resolve as quota
from gpudock.policy.scheduling import placement, reasons
from gpudock.policy.scheduling.capacity import Floor
from gpudock.policy.scheduling.demand import Wishes
from gpudock.policy.scheduling.ordering import FirstCome
from gpudock.policy.scheduling.units import NEVER, NOT_BOOKED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpudock.model import Lease, Link, Request
    from gpudock.policy.gpu_health import DeviceHealth
    from gpudock.policy.quota.resolve import EffectiveQuota
    from gpudock.policy.scheduling.demand import Wish
    from gpudock.policy.scheduling.ordering import Ordering, Waiting
    from gpudock.policy.scheduling.units import Unit

Form: TypeAlias = tuple[int, str | None, bool, tuple[str, ...] | None, float | None]
"""What requests that are of one kind have in common."""

Wait: TypeAlias = tuple[str, str, float | None]
"""The id of a request that goes on waiting, the reason, and when it starts, if that is known."""

# Looking a member up in its class is slow, and a long queue asks for these at every request.
_SHARED = Share.SHARED
_WAIT = WhenBusy.WAIT


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a decision depends on.

    Attributes:
        now: Unix time.
        conditions: every device and how it stands.
        leases: the live leases.
        waiting: the queue, in any order.
        gate: one sentence on why nothing may be granted now; ``None`` when grants are open.
        inventory_known: ``conditions`` are all devices of the lab, so that a wish beyond them can
            be refused instead of waiting for devices that are only not known yet.
        recent_use: user to the GPU-seconds of the past, of which older ones count less.
        links: how the devices are connected, as far as that is known.
    """

    now: float
    conditions: tuple[DeviceHealth, ...]
    leases: tuple[Lease, ...]
    waiting: tuple[Waiting, ...]
    gate: str | None = None
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
        backfilled: it passed somebody who was promised a start that relies on ``latest_end``.
        slot, slots: which slot of how many; one of one is the whole device.
    """

    request: Request
    gpu_uuids: tuple[str, ...]
    expires_at: float | None
    latest_end: float | None = None
    backfilled: bool = False
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
    places: dict[str, QueuePosition] = field(default_factory=dict)

    def outcome(self, request: Request) -> Grant | Denial | QueuePosition:
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
    if request.share is Share.SHARED and request.gpus > 1:
        return Denial(
            "share",
            "A server gets one slot of one shared GPU at most. Ask for 1 GPU, or for GPUs of its"
            " own.",
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
    shared = request.share is Share.SHARED
    gpus = [c.gpu for c in snapshot.conditions if (c.slots > 1) is shared]
    fitting = placement.eligible(request, gpus, effective.quota.gpu_models)
    if (fitting and shared) or placement.most_at_once(fitting) >= request.gpus:
        return None
    return reasons.impossible(
        request, effective.quota.gpu_models, [c.gpu for c in snapshot.conditions], gpus, fitting
    )


def decide(
    snapshot: Snapshot, ordering: Ordering | None = None, *, backfill: bool = True
) -> Decision:
    """Decide on every waiting request of *snapshot*.

    Args:
        snapshot: the lab and its queue.
        ordering: who is looked at first; first come, first served by default.
        backfill: a later request may pass an earlier one where that delays nobody. Without it,
            nobody gets a device that somebody ahead waits for, even if it stays idle meanwhile.
    """
    return _Round(snapshot, backfill=backfill).run((ordering or FirstCome()).order(snapshot))


class _Round:
    """One pass over the queue."""

    def __init__(self, snapshot: Snapshot, *, backfill: bool) -> None:
        self.snapshot = snapshot
        self.backfill = backfill
        self.decision = Decision()
        self.floor = Floor(snapshot.conditions, snapshot.leases, snapshot.links, snapshot.now)
        self.wishes = Wishes(self.floor)
        self.servers: dict[str, set[str]] = {}
        for lease in snapshot.leases:
            self.servers.setdefault(lease.user, set()).add(lease.server)
        self.kinds: dict[Form, tuple[Wish, float, float]] = {}
        self.granted_to: dict[str, int] = {}
        self.granted_in: dict[str, int] = {}

    def run(self, order: list[Waiting]) -> Decision:
        gate = self.snapshot.gate
        # Lists of plain values: the collector of garbage has nothing to look at in them.
        ids: list[str] = []
        reasons_of: list[str] = []
        starts: list[float | None] = []
        add_id, add_reason, add_start = ids.append, reasons_of.append, starts.append
        decide_one = self._decide_one
        for item in order:
            outcome = decide_one(item) if gate is None else (item.request.id, gate, None)
            if isinstance(outcome, tuple):
                request_id, reason, start = outcome
                add_id(request_id)
                add_reason(reason)
                add_start(start)
            elif isinstance(outcome, Grant):
                self._note(outcome)
            else:
                self.decision.refusals[item.request.id] = outcome
        fields = zip(range(1, len(ids) + 1), repeat(len(ids)), reasons_of, starts)
        # What Place(...) does, without a call of Python's for each of them.
        places = map(partial(tuple.__new__, QueuePosition), fields)
        self.decision.places = dict(zip(ids, places, strict=True))
        return self.decision

    def _note(self, grant: Grant) -> None:
        self.decision.grants.append(grant)
        request = grant.request
        self.servers.setdefault(request.user, set()).add(request.server)
        count = len(grant.gpu_uuids)
        self.granted_to[request.user] = self.granted_to.get(request.user, 0) + count
        for group in request.groups:
            self.granted_in[group] = self.granted_in.get(group, 0) + count

    def _decide_one(self, item: Waiting) -> Grant | Denial | Wait:
        request, effective = item.request, item.effective
        user, gpus = request.user, request.gpus
        servers = self.servers.get(user)
        if servers is not None and request.server in servers:
            return request.id, reasons.FORMER_CONTAINER, None
        if not gpus:
            return self._grant(item, [])
        own = quota.held_back(request, effective, self.granted_to.get(user, 0), self.granted_in)
        if own is not None:
            return self._held_back(item, own)
        limits = effective.quota
        shared = request.share is _SHARED
        hours, models = limits.max_session_hours, limits.gpu_models
        form = (gpus, request.gpu_model, shared, models, hours)
        kind = self.kinds.get(form)
        if kind is None:
            wish = self.wishes.of(request, models, shared)
            seconds = math.inf if hours is None else hours * 3600
            kind = self.kinds[form] = (wish, seconds, self.snapshot.now + seconds)
        wish, seconds, end = kind
        if not wish.possible:
            return self._busy(item, reasons.out_of_service(wish, self.floor))
        if end <= wish.passable:
            units = wish.choose(end)
            if units is not None:
                return self._grant(item, units)
        reason = wish.full or reasons.in_the_way(wish)
        # A device that is checked after its last session is not busy: who starts a server again
        # at once gets theirs back.
        if request.when_busy is not _WAIT and not wish.settles(end):
            return self._busy(item, reason)
        start = wish.book(seconds)
        if not self.backfill:
            wish.keep_all()
        return request.id, reason, None if start >= NEVER else start

    def _grant(self, item: Waiting, units: list[Unit]) -> Grant:
        limits, now = item.effective.quota, self.snapshot.now
        longest = math.inf if limits.max_session_hours is None else limits.max_session_hours
        session = math.inf if limits.session_hours is None else limits.session_hours
        latest_end = now + longest * 3600
        expires_at = now + min(session, longest) * 3600
        backfilled = any(unit.booked != NOT_BOOKED for unit in units)
        self.floor.take(units, min(latest_end, NEVER))
        return Grant(
            item.request,
            tuple(sorted(unit.gpu.uuid for unit in units)),
            None if math.isinf(expires_at) else expires_at,
            None if math.isinf(latest_end) else latest_end,
            backfilled,
            slot=units[0].slot if units else 0,
            slots=units[0].slots if units else 1,
        )

    def _held_back(self, item: Waiting, reason: str) -> Grant | Denial | Wait:
        request, effective = item.request, item.effective
        limit = effective.quota.max_gpus
        if limit is not None and request.gpus > limit:
            denial = quota.check(request, effective, quota.Usage())
            if denial is not None:
                return denial
        return self._busy(item, reason)

    def _busy(self, item: Waiting, reason: str) -> Grant | Denial | Wait:
        match item.request.when_busy:
            case WhenBusy.CPU:
                return self._grant(item, [])
            case WhenBusy.FAIL:
                advice = "Try again later, or choose to wait."
                return Denial("busy", f"{reason} {advice}")
            case _:
                return item.request.id, reason, None
