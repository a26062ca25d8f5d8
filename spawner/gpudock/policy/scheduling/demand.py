"""Demand classes: requests that want the same, which one search serves all together."""

from __future__ import annotations

import math
from heapq import heapreplace
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from gpudock.model import Share
from gpudock.policy.matching import suits
from gpudock.policy.scheduling.candidates import NO_WINDOW, Candidate
from gpudock.policy.scheduling.capacity import NEVER, UNRESERVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpudock.model import Request
    from gpudock.policy.scheduling.capacity import Capacity, GPUPool, NodePool, Unit

_Form: TypeAlias = tuple[int, str | None, bool, tuple[str, ...] | None]


class DemandClass:
    """All requests for *count* units, or slots of *shared* GPUs, of the same models.

    Attributes:
        possible: the units in service suffice, once they are free.
        waiting: how many of the requests wait.
        contenders: the contention group: all classes that accept some of the same models.
        excludes_slices: there are matching MIG slices, of which a server gets one at most.
    """

    def __init__(
        self,
        capacity: Capacity,
        gpu_pools: Sequence[GPUPool],
        count: int,
        *,
        shared: bool,
        excludes_slices: bool = False,
    ) -> None:
        self.count = count
        self.excludes_slices = excludes_slices
        self.shared = shared
        self.gpu_pools = gpu_pools
        self.waiting = 0
        self.contenders = [self]
        self._capacity = capacity
        self._candidates = list(_candidates(gpu_pools, count))
        self._startable = self._candidates
        self._agenda = sorted((each.start(), each.rank, each) for each in self._candidates)
        self.possible = bool(self._candidates)
        # No session that ends later can start now. An upper bound, as windows only ever close.
        self._window = UNRESERVED if self.possible else NO_WINDOW

    def ahead(self) -> int:
        """Return how many requests that accept some of the same models wait already."""
        return sum([each.waiting for each in self.contenders])

    def start(self, end: float) -> list[Unit] | None:
        """Return units for a session that starts now and ends at *end* at the latest, if any.

        Reserved units are the second choice, and only where their reservation does not begin before
        *end*, which is infinite for a session without an end.
        """
        if end > self._window:
            return None
        windows = [(each.window(), each) for each in self._startable]
        self._window = max((window for window, _ in windows), default=NO_WINDOW)
        self._startable = [each for window, each in windows if window != NO_WINDOW]
        if end > self._window:
            return None
        until = UNRESERVED if self._window == UNRESERVED else end
        best = min(
            (each for window, each in windows if window >= until),
            key=lambda each: each.rate(until),
        )
        return best.choose(until, self._capacity)

    def start_after_cool_down(self, end: float) -> list[Unit] | None:
        """Reserve and return units for a session that waits for nothing but checks under way.

        Without the reservation, a later request could take units that this one waits for, and this
        one, which does not wait for sessions, would then be given up.
        """
        cooling = any(unit.cooling_down for pool in self.gpu_pools for unit, _ in pool.unready)
        for each in self._candidates if cooling else ():
            units = each.after_cool_down(end)
            if units is not None:
                self._reserve(units, self._capacity.now, end)
                return units
        return None

    def reserve(self, seconds: float, not_before: float = -math.inf) -> float:
        """Reserve the units that become available first for a session of at most *seconds*.

        Args:
            seconds: of the session; infinite for one without an end.
            not_before: from when the session is allowed (Unix time).

        Returns:
            When the session starts at the latest (Unix time); :data:`NEVER` when that is not known.
        """
        agenda = self._agenda
        while True:
            # Starts only ever move back, so the first entry that is still true is the earliest.
            noted, rank, candidate = agenda[0]
            start = candidate.start()
            if start == noted:
                break
            heapreplace(agenda, (start, rank, candidate))
        if start >= not_before:
            self._reserve(candidate.earliest(), start, start + seconds)
            return start
        # Units that become available shortly before leave the others to requests that can use them.
        in_time = [each for each in self._candidates if each.start() <= not_before]
        units = min(
            ((each.latest(not_before), each.rank) for each in in_time),
            key=lambda found: (-found[0][-1].available, found[1]),
        )[0]
        self._reserve(units, not_before, not_before + seconds)
        return not_before

    def _reserve(self, units: Iterable[Unit], start: float, end: float) -> None:
        for unit in units:
            unit.reserve(start, min(end, NEVER))
        self.waiting += 1


class DemandClasses:
    """The demand classes of one decision."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._by_form: dict[_Form, DemandClass] = {}
        self._by_models: dict[tuple[int, bool, bool, frozenset[str]], DemandClass] = {}

    def of(self, request: Request, allowed: tuple[str, ...] | None) -> DemandClass:
        """Return the class of *request*, whose user's quota allows the models *allowed*."""
        shared = request.share is Share.SHARED
        form = (request.gpus, request.gpu_model, shared, allowed)
        found = self._by_form.get(form)
        if found is not None:
            return found
        matching = [
            pool
            for pool in self._capacity.gpu_pools.values()
            if pool.shared is shared and suits(pool.model, request.gpu_model, allowed)
        ]
        # A CUDA process can use one slice, and no whole GPU beside it.
        pools = [pool for pool in matching if request.gpus == 1 or not pool.sliced]
        excludes_slices = len(pools) < len(matching)
        models = frozenset(pool.model for pool in pools)
        key = (request.gpus, shared, excludes_slices, models)
        found = self._by_models.get(key)
        if found is None:
            found = DemandClass(
                self._capacity,
                pools,
                request.gpus,
                shared=shared,
                excludes_slices=excludes_slices,
            )
            for (_, also_shared, _, others), other in self._by_models.items():
                if shared is also_shared and not models.isdisjoint(others):
                    found.contenders.append(other)
                    other.contenders.append(found)
            self._by_models[key] = found
        self._by_form[form] = found
        return found


def _candidates(gpu_pools: Sequence[GPUPool], count: int) -> Iterable[Candidate]:
    """Return each node pool that is large enough, then each node where only a mix can be."""
    by_node: dict[str, list[NodePool]] = {}
    pools = [pool for gpu_pool in gpu_pools for pool in gpu_pool.node_pools]
    for pool in sorted(pools, key=attrgetter("rank")):
        by_node.setdefault(pool.node.name, []).append(pool)
        if len(pool.units) >= count:
            yield Candidate([pool], count)
    for pools in by_node.values():
        mixed = Candidate(pools, count)
        if count > 1 and len(pools) > 1 and len(mixed.units) >= count:
            yield mixed
