"""A slow and obvious queue: what the fast one must decide, written without any of its shortcuts.

Everything is looked at again for every request: every unit, every session, every booking.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpudock.model import Share, WhenBusy
from gpudock.policy.scheduling.placement import suits

if TYPE_CHECKING:
    from gpudock.model import GPU, Lease, Request
    from gpudock.policy.scheduling.decide import Snapshot
    from gpudock.policy.scheduling.ordering import Waiting


@dataclass(eq=False)
class Thing:
    """A device, a slice or a slot."""

    gpu: GPU
    slot: int
    slots: int
    serving: bool
    ready: bool
    cooling_down: bool
    sessions: list[float] = field(default_factory=list)
    bookings: list[tuple[float, float]] = field(default_factory=list)


@dataclass
class Booking:
    request: Request
    start: float
    things: list[Thing]


@dataclass
class Answer:
    """What was decided: by request id, and the bookings in the queue's order."""

    grants: dict[str, tuple[tuple[str, ...], int, bool]] = field(default_factory=dict)
    starts: dict[str, float | None] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    bookings: list[Booking] = field(default_factory=list)
    things: dict[str, list[Thing]] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)


class SlowQueue:
    """Decides on one snapshot, in the order that is given."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.now = snapshot.now
        self.things = [
            Thing(c.gpu, slot, c.slots, c.in_service, c.in_service and c.grantable, c.cooling_down)
            for c in snapshot.conditions
            for slot in range(c.slots)
        ]
        self.servers = {(lease.user, lease.server) for lease in snapshot.leases}
        self.used: dict[str, int] = {}
        for lease in snapshot.leases:
            self._enter(lease)

    def _enter(self, lease: Lease) -> None:
        self.used[lease.user] = self.used.get(lease.user, 0) + len(lease.gpu_uuids)
        until = math.inf if lease.latest_end is None else max(lease.latest_end, self.now)
        for uuid in lease.gpu_uuids:
            device = [thing for thing in self.things if thing.gpu.uuid == uuid]
            exact = [
                thing for thing in device if thing.slots == lease.slots and thing.slot == lease.slot
            ]
            unknown = [t for t in self.things if t.gpu.parent_uuid == uuid]
            for thing in exact or device or unknown:
                thing.sessions.append(until)

    # What is true of a unit.

    def alike(self, one: Thing, other: Thing) -> bool:
        """Tell whether two units exclude each other."""
        if one.gpu.uuid == other.gpu.uuid:
            return one.slot == other.slot
        return one.gpu.parent_uuid == other.gpu.uuid or other.gpu.parent_uuid == one.gpu.uuid

    def kin(self, thing: Thing) -> list[Thing]:
        return [other for other in self.things if self.alike(thing, other)]

    def is_free(self, thing: Thing) -> bool:
        return thing.ready and not any(other.sessions for other in self.kin(thing))

    def available(self, thing: Thing) -> float:
        ends = [end for other in self.kin(thing) for end in other.sessions]
        ends += [end for other in self.kin(thing) for _, end in other.bookings]
        return max([self.now, *ends])

    def first_booking(self, thing: Thing) -> float | None:
        starts = [start for other in self.kin(thing) for start, _ in other.bookings]
        return min(starts, default=None)

    def lets(self, thing: Thing, end: float) -> bool:
        """Tell whether a session that ends at *end* disturbs no booking."""
        first = self.first_booking(thing)
        return first is None or (not math.isinf(end) and end <= first)

    # Places.

    def places(self, item: Waiting) -> list[list[Thing]]:
        """Return the sets of units out of which one session may choose, the best kind first."""
        request = item.request
        shared = request.share is Share.SHARED
        things = [
            thing
            for thing in self.things
            if thing.serving
            and (thing.slots > 1) is shared
            and suits(thing.gpu.model, request.gpu_model, item.effective.quota.gpu_models)
        ]
        pools: dict[tuple[int, str, str, bool], list[Thing]] = {}
        hosts: dict[str, list[Thing]] = {}
        for thing in things:
            gpu = thing.gpu
            key = (gpu.memory_mib, gpu.host, gpu.model, gpu.parent_uuid is None)
            pools.setdefault(key, []).append(thing)
        places = [pools[key] for key in sorted(pools)]
        if request.gpus > 1:
            for key in sorted(pools):
                hosts.setdefault(key[1], []).extend(pools[key])
            places += [
                self._without_whole(items)
                for items in hosts.values()
                if len({(i.gpu.model, i.gpu.memory_mib, bool(i.gpu.parent_uuid)) for i in items})
                > 1
            ]
        return [place for place in places if len(place) >= request.gpus]

    def _without_whole(self, things: list[Thing]) -> list[Thing]:
        parents = {thing.gpu.parent_uuid for thing in things}
        return [thing for thing in things if thing.gpu.uuid not in parents]

    def _fullness(self, thing: Thing) -> float:
        same = [t for t in self.things if t.gpu.physical_uuid == thing.gpu.physical_uuid]
        return sum(bool(t.sessions) for t in same) / len(same)

    def _packed(self, things: list[Thing]) -> list[Thing]:
        return sorted(things, key=lambda t: (-self._fullness(t), t.gpu.index, t.gpu.uuid, t.slot))

    def _rate(self, place: list[Thing], usable: list[Thing], count: int) -> tuple[object, ...]:
        models = {(t.gpu.model, t.gpu.memory_mib, bool(t.gpu.parent_uuid)) for t in place}
        picked = self._packed(usable)[:count]
        host = place[0].gpu.host
        there = [t for t in self.things if t.serving and t.gpu.host == host]
        free = sum(not any(other.sessions for other in self.kin(t)) for t in there)
        new = {t.gpu.physical_uuid for t in picked if not self._fullness(t)}
        return (
            len(models) > 1,
            len(new),
            max(t.gpu.memory_mib for t in place),
            -self._fullness(picked[0]),
            free == len(there),
            free,
            host,
            place[0].gpu.model,
        )

    # Decisions.

    def decide(self, order: list[Waiting]) -> Answer:
        answer = Answer()
        for item in order:
            request = item.request
            if (request.user, request.server) in self.servers:
                answer.starts[request.id] = None
            elif request.gpus == 0:
                self._grant(answer, item, [])
            else:
                self._decide_one(answer, item)
        return answer

    def _decide_one(self, answer: Answer, item: Waiting) -> None:
        request, limits = item.request, item.effective.quota
        if limits.max_gpus is not None:
            if request.gpus > limits.max_gpus:
                answer.refused.add(request.id)
                return
            if self.used.get(request.user, 0) + request.gpus > limits.max_gpus:
                self._busy(answer, item)
                return
        places = self.places(item)
        if not places:
            self._busy(answer, item)
            return
        hours = limits.max_session_hours
        end = math.inf if hours is None else self.now + hours * 3600
        for until in (math.inf, end):
            options = []
            for place in places:
                usable = [t for t in place if self.is_free(t) and self.lets(t, until)]
                if len(usable) >= request.gpus:
                    options.append((self._rate(place, usable, request.gpus), usable))
            if options:
                _, usable = min(options, key=lambda option: option[0])
                self._grant(answer, item, self._packed(usable)[: request.gpus])
                return
        settles = any(self._settles(place, end, request.gpus) for place in places)
        if request.when_busy is not WhenBusy.WAIT and not settles:
            self._busy(answer, item)
            return
        self._book(answer, item, places, hours)

    def _settles(self, place: list[Thing], end: float, count: int) -> bool:
        """Tell whether *count* units would be free if all checks had ended well."""
        fit = [
            thing
            for thing in place
            if (thing.ready or thing.cooling_down)
            and not any(other.sessions for other in self.kin(thing))
            and self.lets(thing, end)
        ]
        return len(fit) >= count and any(thing.cooling_down for thing in place)

    def _book(
        self, answer: Answer, item: Waiting, places: list[list[Thing]], hours: float | None
    ) -> None:
        count = item.request.gpus
        best: list[Thing] = []
        start = math.nan
        for place in places:
            soonest = sorted(
                place,
                key=lambda t: (self.available(t), t.gpu.index, t.gpu.uuid, t.slot),
            )[:count]
            at = self.available(soonest[-1])
            if not best or at < start:
                best, start = soonest, at
        end = math.inf if hours is None else start + hours * 3600
        for thing in best:
            thing.bookings.append((start, end))
        answer.bookings.append(Booking(item.request, start, best))
        answer.starts[item.request.id] = None if math.isinf(start) else start

    def _grant(self, answer: Answer, item: Waiting, things: list[Thing]) -> None:
        request, hours = item.request, item.effective.quota.max_session_hours
        end = math.inf if hours is None else self.now + hours * 3600
        backfilled = any(self.first_booking(thing) is not None for thing in things)
        for thing in things:
            thing.sessions.append(end)
        self.servers.add((request.user, request.server))
        self.used[request.user] = self.used.get(request.user, 0) + len(things)
        uuids = tuple(sorted(thing.gpu.uuid for thing in things))
        answer.grants[request.id] = (uuids, things[0].slot if things else 0, backfilled)
        answer.things[request.id] = things
        answer.ends[request.id] = end

    def _busy(self, answer: Answer, item: Waiting) -> None:
        match item.request.when_busy:
            case WhenBusy.CPU:
                self._grant(answer, item, [])
            case WhenBusy.FAIL:
                answer.refused.add(item.request.id)
            case _:
                answer.starts[item.request.id] = None


def disturbed(answer: Answer, order: list[Waiting]) -> list[str]:
    """Name the grants that delay a booking of somebody who was ahead of them."""
    position = {item.request.id: number for number, item in enumerate(order)}
    return [
        request_id
        for request_id, things in answer.things.items()
        for booking in answer.bookings
        if position[booking.request.id] < position[request_id]
        and answer.ends[request_id] > booking.start
        and any(
            (one.gpu.uuid == other.gpu.uuid and one.slot == other.slot)
            or one.gpu.parent_uuid == other.gpu.uuid
            or other.gpu.parent_uuid == one.gpu.uuid
            for one in things
            for other in booking.things
        )
    ]
