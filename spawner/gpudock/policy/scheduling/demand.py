"""Demand classes: requests that want the same, which one search serves all together."""

from __future__ import annotations

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

_Form: TypeAlias = tuple[int, str | None, Share, tuple[str, ...] | None]


class DemandClass:
    """All requests for the same number of units of the same models.

    Attributes:
        count: how many units each of them wants.
        shared: whether they want slots of shared GPUs.
        gpu_pools: the models that they accept.
        possible: whether the units in service suffice, once they are free.
        waiting: how many of them wait.
        contenders: the demand classes that accept some of the same models, this one included.
    """

    def __init__(
        self, capacity: Capacity, gpu_pools: Sequence[GPUPool], count: int, *, shared: bool
    ) -> None:
        self.count = count
        self.shared = shared
        self.gpu_pools = gpu_pools
        self.waiting = 0
        self.contenders = [self]
        self._capacity = capacity
        self._candidates = list(_candidates(capacity, gpu_pools, count))
        self._startable = self._candidates
        self._agenda = sorted((each.start(), each.rank, each) for each in self._candidates)
        self._blocked = False
        self.possible = bool(self._candidates)
        # No session that ends later than this can start now. It is an upper bound: windows only
        # ever close, so it is worked out again only when a request within it finds nothing.
        self._window = UNRESERVED if self.possible else NO_WINDOW

    def ahead(self) -> int:
        """Return how many requests that accept some of the same models wait already."""
        return sum([each.waiting for each in self.contenders])

    def start(self, end: float) -> list[Unit] | None:
        """Return units for a session that starts now; ``None`` where there are none.

        Units without a reservation come first. Reserved ones are used only until their reservation
        begins.

        Args:
            end: when the session ends at the latest (Unix time); infinite when it has no end.
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
        """Return units for a session that waits for nothing but checks under way.

        They are reserved from now on, so that a request that would otherwise not wait at all does
        not lose them to one behind it.

        Args:
            end: as for :meth:`start`.
        """
        cooling = any(unit.cooling_down for pool in self.gpu_pools for unit, _ in pool.unready)
        for each in self._candidates if cooling else ():
            units = each.after_cool_down(end)
            if units is not None:
                self._reserve(units, self._capacity.now, end)
                return units
        return None

    def reserve(self, seconds: float) -> float:
        """Reserve the units that become available first for a session of this length.

        Args:
            seconds: the longest duration of the session; infinite when it has no end.

        Returns:
            When the session starts at the latest (Unix time); :data:`NEVER` when that is not known.
        """
        agenda = self._agenda
        while True:
            # Starts only ever move back, so an entry is a lower bound, and the first that is true
            # is the earliest of all.
            noted, rank, candidate = agenda[0]
            start = candidate.start()
            if start == noted:
                break
            heapreplace(agenda, (start, rank, candidate))
        self._reserve(candidate.earliest(), start, start + seconds)
        return start

    def _reserve(self, units: Iterable[Unit], start: float, end: float) -> None:
        for unit in units:
            unit.reserve(start, min(end, NEVER))
        self.waiting += 1

    def block(self) -> None:
        """Let no later request have anything that this class could use."""
        if not self._blocked:
            self._blocked = True
            for pool in self.gpu_pools:
                for node_pool in pool.node_pools:
                    for unit in node_pool.units:
                        unit.reserve(-UNRESERVED, -UNRESERVED)


class DemandClasses:
    """The demand classes of one decision."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._by_form: dict[_Form, DemandClass] = {}
        self._by_models: dict[tuple[int, bool, frozenset[str]], DemandClass] = {}

    def of(self, request: Request, allowed: tuple[str, ...] | None) -> DemandClass:
        """Return the class of *request*.

        Args:
            request: a request for at least one unit.
            allowed: the patterns of models that its user's quota allows; ``None``: all.
        """
        form = (request.gpus, request.gpu_model, request.share, allowed)
        found = self._by_form.get(form)
        if found is None:
            found = self._by_form[form] = self._find(request, allowed)
        return found

    def _find(self, request: Request, allowed: tuple[str, ...] | None) -> DemandClass:
        shared = request.share is Share.SHARED
        pools = [
            pool
            for pool in self._capacity.gpu_pools.values()
            if pool.shared is shared and suits(pool.model, request.gpu_model, allowed)
        ]
        models = frozenset(pool.model for pool in pools)
        key = (request.gpus, shared, models)
        found = self._by_models.get(key)
        if found is None:
            found = DemandClass(self._capacity, pools, request.gpus, shared=shared)
            for (_, also_shared, others), other in self._by_models.items():
                if shared is also_shared and not models.isdisjoint(others):
                    found.contenders.append(other)
                    other.contenders.append(found)
            self._by_models[key] = found
        return found


def _candidates(
    capacity: Capacity, gpu_pools: Sequence[GPUPool], count: int
) -> Iterable[Candidate]:
    """Return each node pool that is large enough, then each node where only a mix can be."""
    by_node: dict[str, list[NodePool]] = {}
    pools = [pool for gpu_pool in gpu_pools for pool in gpu_pool.node_pools]
    for pool in sorted(pools, key=attrgetter("rank")):
        by_node.setdefault(pool.node.name, []).append(pool)
        if len(pool.units) >= count:
            yield Candidate([pool], count, pool.rank)
    for pools in by_node.values():
        mixed = Candidate(pools, count, len(capacity.node_pools) + pools[0].rank)
        if count > 1 and len(pools) > 1 and len(mixed.units) >= count:
            yield mixed
