"""The decision on one snapshot: which requests are granted, refused, or go on waiting, and why."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpudock.language import Message, sentences
from gpudock.model import Denial, QueuePosition, WhenBusy
from gpudock.policy import admission
from gpudock.policy.quota import resolve as quota
from gpudock.policy.scheduling import reasons
from gpudock.policy.scheduling.allowances import Allowances, start_of
from gpudock.policy.scheduling.capacity import NEVER, UNRESERVED, Capacity
from gpudock.policy.scheduling.demand import DemandClasses
from gpudock.policy.scheduling.ordering import FirstCome
from gpudock.policy.sessions import session_hours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpudock.model import Request
    from gpudock.policy.quota.resolve import EffectiveQuota
    from gpudock.policy.scheduling.allowances import Allowance
    from gpudock.policy.scheduling.capacity import Unit
    from gpudock.policy.scheduling.ordering import Ordering
    from gpudock.policy.scheduling.snapshot import Snapshot, Waiting


@dataclass(frozen=True, slots=True)
class Grant:
    """A request that gets its devices now.

    Attributes:
        request: the request.
        gpu_uuids: the devices, sorted; empty for a server without a GPU.
        expires_at: Unix time at which the session ends unless it is extended; ``None``: no end.
        latest_end: Unix time beyond which it is not extended; ``None``: no end.
        backfilled: it uses devices that are reserved from :attr:`latest_end` or later on.
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
        next_request: id of the first request for which GPUs are reserved, if there is one.
    """

    grants: list[Grant] = field(default_factory=list)
    refusals: dict[str, Denial] = field(default_factory=dict)
    places: dict[str, QueuePosition] = field(default_factory=dict)
    next_request: str | None = None

    def outcome(self, request: Request) -> Grant | Denial | QueuePosition:
        """Return the decision on *request*, which must have been waiting."""
        for grant in self.grants:
            if grant.request.id == request.id:
                return grant
        return self.refusals.get(request.id) or self.places[request.id]


def decide(
    snapshot: Snapshot, ordering: Ordering | None = None, *, backfill: bool = True
) -> Decision:
    """Decide on every waiting request of *snapshot*, as the package describes.

    Args:
        snapshot: the lab and its queue.
        ordering: the order of the queue; first come, first served by default.
        backfill: whether later requests may use devices that earlier ones wait for.
    """
    ordering = ordering or FirstCome()
    cycle = _Cycle(snapshot, backfill=backfill)
    for item in ordering.order(snapshot):
        cycle.decide_one(item)
    return cycle.decision(ordering.delays(snapshot))


class _Cycle:
    """One pass over the queue."""

    def __init__(self, snapshot: Snapshot, *, backfill: bool) -> None:
        self._now = snapshot.now
        self._gate = snapshot.gate
        self._backfill = backfill
        self._devices = snapshot.devices if snapshot.inventory_known else ()
        self._barred: dict[tuple[object, ...], Denial | None] = {}
        capacity = Capacity(snapshot.devices, snapshot.leases, snapshot.links, snapshot.now)
        self._classes = DemandClasses(capacity)
        self._allowances = Allowances(snapshot.leases, snapshot.now)
        self._servers = {(lease.user, lease.server) for lease in snapshot.leases}
        self._granted_to: Counter[str] = Counter()  # GPUs, by user
        self._granted_in: Counter[str] = Counter()  # GPUs, by group
        self._grants: list[Grant] = []
        self._refusals: dict[str, Denial] = {}
        self._waits: list[tuple[str, str, float | None]] = []
        self._next: str | None = None

    def decision(self, delays: Mapping[str, float]) -> Decision:
        """Return what was decided; *delays* as of the ordering."""
        length = len(self._waits)
        places = {}
        for position, (request_id, reason, start) in enumerate(self._waits, 1):
            latest = NEVER if start is None else start + delays.get(request_id, 0.0)
            places[request_id] = QueuePosition(
                position, length, reason, start, latest if latest < NEVER else None
            )
        return Decision(self._grants, self._refusals, places, self._next)

    def decide_one(self, item: Waiting) -> None:
        """Decide on the next request in the queue's order."""
        request, effective = item.request, item.effective
        # 1. Some requests wait for nothing that others could use, so they keep nobody waiting.
        if self._gate is not None:
            return self._wait(request, self._gate)
        denial = self._bar(request, effective)
        if denial is not None:
            self._refusals[request.id] = denial
            return None
        if (request.user, request.server) in self._servers:
            return self._wait(request, reasons.PREVIOUS_CONTAINER)
        if not request.gpus:
            return self._grant(item, [])
        limits = effective.quota
        hours = limits.max_session_hours
        seconds = math.inf if hours is None else hours * 3600
        end = self._now + seconds
        allowances = self._allowances.of(item)
        own_limit = quota.held_back(
            request, effective, self._granted_to[request.user], self._granted_in
        )
        if own_limit is not None:
            return self._held_back(item, own_limit, allowances, seconds)
        demand = self._classes.of(request, limits.gpu_models)
        if not demand.possible:
            return self._busy(item, reasons.not_in_service(demand))
        allowed = all(each.allows(request.gpus, end) for each in allowances)
        # 2. Start where that delays nobody ahead.
        #    Without backfill, devices that a request ahead could use stay idle.
        units = None
        if allowed and (self._backfill or not demand.ahead()):
            units = demand.start(end if self._backfill else math.inf)
        if units is not None:
            return self._grant(item, units)
        # 3. Otherwise reserve what is available first, or give up where the request does not wait.
        reason = reasons.no_start(demand) if allowed else reasons.BEHIND_OWN
        if request.when_busy is WhenBusy.WAIT:
            self._next = self._next or request.id
            not_before = start_of(allowances, request.gpus)
            return self._reserve(item, reason, allowances, seconds, not_before)
        if allowed and demand.start_after_cool_down(end):
            return self._wait(request, reason, self._now)
        return self._busy(item, reason)

    def _reserve(
        self,
        item: Waiting,
        reason: str,
        allowances: list[Allowance],
        seconds: float,
        not_before: float,
    ) -> None:
        request = item.request
        demand = self._classes.of(request, item.effective.quota.gpu_models)
        start = demand.reserve(seconds, not_before)
        for allowance in allowances:
            allowance.reserve(request.gpus, start, start + seconds)
        self._wait(request, reason, start if start < NEVER else None)

    def _wait(self, request: Request, reason: str, start: float | None = None) -> None:
        self._waits.append((request.id, reason, start))

    def _grant(self, item: Waiting, units: list[Unit]) -> None:
        request, limits = item.request, item.effective.quota
        longest, usual = limits.max_session_hours, session_hours(limits)
        latest_end = None if longest is None else self._now + longest * 3600
        expires_at = None if usual is None else self._now + usual * 3600
        backfilled = any(unit.reserved_from != UNRESERVED for unit in units)
        slot, slots = (units[0].slot, units[0].slots) if units else (0, 1)
        for unit in units:
            unit.take(NEVER if latest_end is None else latest_end)
        for allowance in self._allowances.of(item) if units else ():
            allowance.take(len(units), math.inf if latest_end is None else latest_end)
        uuids = tuple(sorted(unit.gpu.uuid for unit in units))
        self._grants.append(Grant(request, uuids, expires_at, latest_end, backfilled, slot, slots))
        self._servers.add((request.user, request.server))
        self._granted_to[request.user] += len(units)
        for group in request.groups:
            self._granted_in[group] += len(units)

    def _bar(self, request: Request, effective: EffectiveQuota) -> Denial | None:
        """Return why the limits in force bar a request however long it waits, if they do."""
        denial = quota.check_waiting(request, effective)
        if denial is not None or effective.quota.gpu_models is None:
            return denial
        form = (
            request.gpus,
            request.gpu_model,
            request.share,
            request.when_busy,
            effective.quota.gpu_models,
        )
        if form not in self._barred:
            self._barred[form] = admission.bar_waiting(request, effective, self._devices)
        return self._barred[form]

    def _held_back(
        self, item: Waiting, reason: str, allowances: list[Allowance], seconds: float
    ) -> None:
        """Plan the start of a request that its user's limit or a group's holds back."""
        request = item.request
        start = start_of(allowances, request.gpus)
        # Nothing is planned where it is not known when a limit allows more: others go on.
        foreseeable = (
            request.when_busy is WhenBusy.WAIT
            and self._now < start < NEVER
            and self._classes.of(request, item.effective.quota.gpu_models).possible
        )
        if foreseeable:
            self._reserve(item, reason, allowances, seconds, start)
        else:
            self._busy(item, reason)

    def _busy(self, item: Waiting, reason: str) -> None:
        """Do what the request asks for where no suitable GPU is free."""
        match item.request.when_busy:
            case WhenBusy.CPU:
                self._grant(item, [])
            case WhenBusy.FAIL:
                advice = Message("Try again later, or choose to wait.")
                self._refusals[item.request.id] = Denial("busy", sentences(reason, advice))
            case WhenBusy.WAIT:
                self._wait(item.request, reason)
