"""The specification of the scheduler: slow and obvious, without any of its shortcuts.

It looks at every unit, every session and every reservation again for every request.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpudock.model import Share, WhenBusy
from gpudock.policy.matching import suits

if TYPE_CHECKING:
    from gpudock.model import GPU, Lease, Request
    from gpudock.policy.scheduling.snapshot import Snapshot, Waiting


@dataclass(eq=False)
class Unit:
    """A device, a slice or a slot, with all that excludes it (itself included)."""

    gpu: GPU
    slot: int
    slots: int
    serving: bool
    ready: bool
    cooling_down: bool
    sessions: list[float] = field(default_factory=list)
    reservations: list[tuple[float, float]] = field(default_factory=list)
    conflicting: list[Unit] = field(default_factory=list)


@dataclass(eq=False)
class Place:
    """One of the GPUs that a user's limit allows, or one that is in use beyond it."""

    sessions: list[float] = field(default_factory=list)
    reservations: list[tuple[float, float]] = field(default_factory=list)

    def available(self, now: float) -> float:
        return max([now, *self.sessions, *(end for _, end in self.reservations)])

    def first_reservation(self) -> float:
        return min([start for start, _ in self.reservations], default=math.inf)

    def is_free(self, end: float) -> bool:
        """Return whether a session until *end* disturbs no reservation."""
        if self.sessions:
            return False
        return not self.reservations or (not math.isinf(end) and end <= self.first_reservation())


@dataclass
class Reservation:
    request: Request
    start: float
    units: list[Unit]


@dataclass
class Answer:
    """A decision by request id, and the reservations in the order of the queue."""

    grants: dict[str, tuple[tuple[str, ...], int, bool]] = field(default_factory=dict)
    starts: dict[str, float | None] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    reservations: list[Reservation] = field(default_factory=list)
    units: dict[str, list[Unit]] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)


class ReferenceScheduler:
    """Decides on one snapshot, in a given order."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.now = snapshot.now
        self.units = [
            Unit(c.gpu, slot, c.slots, c.in_service, c.in_service and c.grantable, c.cooling_down)
            for c in snapshot.devices
            for slot in range(c.slots)
        ]
        for unit in self.units:
            unit.conflicting = [other for other in self.units if self.excludes(unit, other)]
        self.servers = {(lease.user, lease.server) for lease in snapshot.leases}
        self.used: dict[str, int] = {}
        self.leases = snapshot.leases
        self.places: dict[tuple[str, int], list[Place]] = {}
        for lease in snapshot.leases:
            self._enter(lease)

    def _enter(self, lease: Lease) -> None:
        self.used[lease.user] = self.used.get(lease.user, 0) + len(lease.gpu_uuids)
        until = math.inf if lease.latest_end is None else max(lease.latest_end, self.now)
        for uuid in lease.gpu_uuids:
            device = [unit for unit in self.units if unit.gpu.uuid == uuid]
            exact = [
                unit for unit in device if unit.slots == lease.slots and unit.slot == lease.slot
            ]
            unknown = [t for t in self.units if t.gpu.parent_uuid == uuid]
            for unit in exact or device or unknown:
                unit.sessions.append(until)

    # Units.

    def excludes(self, one: Unit, other: Unit) -> bool:
        """Return whether two units exclude each other."""
        if one.gpu.uuid == other.gpu.uuid:
            return one.slot == other.slot
        return one.gpu.parent_uuid == other.gpu.uuid or other.gpu.parent_uuid == one.gpu.uuid

    def is_free(self, unit: Unit) -> bool:
        return unit.ready and not any(other.sessions for other in unit.conflicting)

    def available(self, unit: Unit) -> float:
        ends = [end for other in unit.conflicting for end in other.sessions]
        ends += [end for other in unit.conflicting for _, end in other.reservations]
        return max([self.now, *ends])

    def first_reservation(self, unit: Unit) -> float | None:
        starts = [start for other in unit.conflicting for start, _ in other.reservations]
        return min(starts, default=None)

    def allows(self, unit: Unit, end: float) -> bool:
        """Return whether a session that ends at *end* disturbs no reservation."""
        first = self.first_reservation(unit)
        return first is None or (not math.isinf(end) and end <= first)

    # Candidates.

    def candidates(self, item: Waiting) -> list[list[Unit]]:
        """Return the sets of units from which a session may choose, the best kind first."""
        request = item.request
        shared = request.share is Share.SHARED
        units = [
            unit
            for unit in self.units
            if unit.serving
            and (unit.slots > 1) is shared
            and (request.gpus == 1 or unit.gpu.parent_uuid is None)
            and suits(unit.gpu.model, request.gpu_model, item.effective.quota.gpu_models)
        ]
        pools: dict[tuple[int, str, str, bool], list[Unit]] = {}
        hosts: dict[str, list[Unit]] = {}
        for unit in units:
            gpu = unit.gpu
            key = (gpu.memory_mib, gpu.host, gpu.model, gpu.parent_uuid is None)
            pools.setdefault(key, []).append(unit)
        candidates = [pools[key] for key in sorted(pools)]
        if request.gpus > 1:
            for key in sorted(pools):
                hosts.setdefault(key[1], []).extend(pools[key])
            candidates += [
                self._without_whole(items)
                for items in hosts.values()
                if len({(i.gpu.model, i.gpu.memory_mib, bool(i.gpu.parent_uuid)) for i in items})
                > 1
            ]
        return [candidate for candidate in candidates if len(candidate) >= request.gpus]

    def _without_whole(self, units: list[Unit]) -> list[Unit]:
        parents = {unit.gpu.parent_uuid for unit in units}
        return [unit for unit in units if unit.gpu.uuid not in parents]

    def _fullness(self, unit: Unit) -> float:
        same = [t for t in self.units if t.gpu.physical_uuid == unit.gpu.physical_uuid]
        return sum(bool(t.sessions) for t in same) / len(same)

    def _packed(self, units: list[Unit]) -> list[Unit]:
        return sorted(units, key=lambda t: (-self._fullness(t), t.gpu.index, t.gpu.uuid, t.slot))

    def _rate(self, candidate: list[Unit], usable: list[Unit], count: int) -> tuple[object, ...]:
        models = {(t.gpu.model, t.gpu.memory_mib, bool(t.gpu.parent_uuid)) for t in candidate}
        picked = self._packed(usable)[:count]
        host = candidate[0].gpu.host
        there = [t for t in self.units if t.serving and t.gpu.host == host]
        free = sum(not any(other.sessions for other in t.conflicting) for t in there)
        new = {t.gpu.physical_uuid for t in picked if not self._fullness(t)}
        return (
            len(models) > 1,
            len(new),
            max(t.gpu.memory_mib for t in candidate),
            -self._fullness(picked[0]),
            free == len(there),
            free,
            host,
            candidate[0].gpu.model,
        )

    # Decisions.

    def decide(self, order: list[Waiting]) -> Answer:
        answer = Answer()
        for item in order:
            request = item.request
            if self._is_barred(item):
                answer.refused.add(request.id)
            elif (request.user, request.server) in self.servers:
                answer.starts[request.id] = None
            elif request.gpus == 0:
                self._grant(answer, item, [])
            else:
                self._decide_one(answer, item)
        return answer

    def _is_barred(self, item: Waiting) -> bool:
        """Return whether the limits in force bar a request, and not the devices of the lab."""
        request, limits = item.request, item.effective.quota
        if request.gpus == 0:
            return False
        if limits.max_gpus is not None and request.gpus > limits.max_gpus:
            return True
        if request.when_busy is WhenBusy.CPU:
            return False
        return self._could_have(request, None) and not self._could_have(request, limits.gpu_models)

    def _could_have(self, request: Request, allowed: tuple[str, ...] | None) -> bool:
        gpus = {
            unit.gpu
            for unit in self.units
            if (unit.slots > 1) is (request.share is Share.SHARED)
            and suits(unit.gpu.model, request.gpu_model, allowed)
            and (request.gpus == 1 or unit.gpu.parent_uuid is None)
        }
        hosts = [gpu.host for gpu in gpus]
        return any(hosts.count(host) >= request.gpus for host in hosts)

    def _decide_one(self, answer: Answer, item: Waiting) -> None:
        request, limits = item.request, item.effective.quota
        candidates = self.candidates(item)
        places, excess = self._places_of(item)
        allowed_from = self._allowed_from(places, request.gpus + excess)
        used = self.used.get(request.user, 0)
        if limits.max_gpus is not None and used + request.gpus > limits.max_gpus:
            waits = request.when_busy is WhenBusy.WAIT
            if waits and candidates and self.now < allowed_from < math.inf:
                self._reserve_earliest(answer, item, candidates, allowed_from)
            else:
                self._busy(answer, item)
            return
        if not candidates:
            self._busy(answer, item)
            return
        hours = limits.max_session_hours
        end = math.inf if hours is None else self.now + hours * 3600
        free = sum(place.is_free(end) for place in places)
        allowed = limits.max_gpus is None or free >= request.gpus + excess
        for until in (math.inf, end) if allowed else ():
            options = []
            for candidate in candidates:
                usable = [t for t in candidate if self.is_free(t) and self.allows(t, until)]
                if len(usable) >= request.gpus:
                    options.append((self._rate(candidate, usable, request.gpus), usable))
            if options:
                _, usable = min(options, key=lambda option: option[0])
                self._grant(answer, item, self._packed(usable)[: request.gpus])
                return
        if request.when_busy is WhenBusy.WAIT:
            self._reserve_earliest(answer, item, candidates, allowed_from)
            return
        # Requests that do not wait for others still wait for checks, and reserve what is checked.
        for candidate in candidates if allowed else ():
            units = self._after_cool_down(candidate, end, request.gpus)
            if units:
                self._reserve(answer, item, units, self.now, end)
                return
        self._busy(answer, item)

    # Users' limits.

    def _places_of(self, item: Waiting) -> tuple[list[Place], int]:
        """Return the places of the user's limit, and how many are in use beyond it."""
        user, limit = item.request.user, item.effective.quota.max_gpus
        if limit is None:
            return [], 0
        held = [
            math.inf if lease.latest_end is None else max(lease.latest_end, self.now)
            for lease in self.leases
            if lease.user == user
            for _ in lease.gpu_uuids
        ]
        if (user, limit) not in self.places:
            self.places[user, limit] = [Place([end]) for end in held] + [
                Place() for _ in range(limit - len(held))
            ]
        return self.places[user, limit], max(0, len(held) - limit)

    def _allowed_from(self, places: list[Place], count: int) -> float:
        if not places:
            return self.now
        moments = sorted(place.available(self.now) for place in places)
        return moments[count - 1] if count <= len(moments) else math.inf

    def _after_cool_down(self, candidate: list[Unit], end: float, count: int) -> list[Unit]:
        """Return *count* units of *candidate* that are free once all checks have ended well."""
        fit = [
            unit
            for unit in candidate
            if (unit.ready or unit.cooling_down)
            and not any(other.sessions for other in unit.conflicting)
            and self.allows(unit, end)
        ]
        fit.sort(key=lambda u: (not u.ready, u.gpu.index, u.gpu.uuid, u.slot))
        return fit[:count] if len(fit) >= count else []

    def _reserve_earliest(
        self,
        answer: Answer,
        item: Waiting,
        candidates: list[list[Unit]],
        not_before: float,
    ) -> None:
        count, hours = item.request.gpus, item.effective.quota.max_session_hours
        best: list[Unit] = []
        start = math.nan
        for candidate in candidates:
            soonest = sorted(
                candidate,
                key=lambda t: (self.available(t), t.gpu.index, t.gpu.uuid, t.slot),
            )[:count]
            at = self.available(soonest[-1])
            if not best or at < start:
                best, start = soonest, at
        if start < not_before:
            best, start = self._latest(candidates, count, not_before), not_before
        end = math.inf if hours is None else start + hours * 3600
        self._reserve(answer, item, best, start, end)
        places, excess = self._places_of(item)
        places = sorted(places, key=lambda place: place.available(self.now))
        for place in places[excess : count + excess]:
            place.reservations.append((start, end))

    def _latest(self, candidates: list[list[Unit]], count: int, moment: float) -> list[Unit]:
        """Return the units that become available last, of those available at *moment*."""
        options = []
        for candidate in candidates:
            units = [unit for unit in candidate if self.available(unit) <= moment]
            if len(units) >= count:
                units.sort(key=lambda t: (-self.available(t), t.gpu.index, t.gpu.uuid, t.slot))
                options.append(units[:count])
        return max(options, key=lambda units: self.available(units[-1]))

    def _reserve(
        self, answer: Answer, item: Waiting, units: list[Unit], start: float, end: float
    ) -> None:
        for unit in units:
            unit.reservations.append((start, end))
        answer.reservations.append(Reservation(item.request, start, units))
        answer.starts[item.request.id] = None if math.isinf(start) else start

    def _grant(self, answer: Answer, item: Waiting, units: list[Unit]) -> None:
        request, hours = item.request, item.effective.quota.max_session_hours
        end = math.inf if hours is None else self.now + hours * 3600
        backfilled = any(self.first_reservation(unit) is not None for unit in units)
        if units:
            places = [place for place in self._places_of(item)[0] if place.is_free(end)]
            places.sort(key=Place.first_reservation)
            for place in places[: len(units)]:
                place.sessions.append(end)
        for unit in units:
            unit.sessions.append(end)
        self.servers.add((request.user, request.server))
        self.used[request.user] = self.used.get(request.user, 0) + len(units)
        uuids = tuple(sorted(unit.gpu.uuid for unit in units))
        answer.grants[request.id] = (uuids, units[0].slot if units else 0, backfilled)
        answer.units[request.id] = units
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
    """Return the ids of grants that delay a reservation of a request ahead of them."""
    position = {item.request.id: number for number, item in enumerate(order)}
    return [
        request_id
        for request_id, units in answer.units.items()
        for reservation in answer.reservations
        if position[reservation.request.id] < position[request_id]
        and answer.ends[request_id] > reservation.start
        and any(
            (one.gpu.uuid == other.gpu.uuid and one.slot == other.slot)
            or one.gpu.parent_uuid == other.gpu.uuid
            or other.gpu.parent_uuid == one.gpu.uuid
            for one in units
            for other in reservation.units
        )
    ]
