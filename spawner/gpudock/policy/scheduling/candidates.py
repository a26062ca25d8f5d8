"""Candidates: the places on one node where a request for several units can be served."""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from gpudock.policy.scheduling.capacity import by_index
from gpudock.policy.scheduling.placement import best_connected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpudock.policy.scheduling.capacity import Capacity, NodePool, Unit

NO_WINDOW = -math.inf
"""The backfill window where no session can start now, however short."""

_by_availability = attrgetter("available", "gpu.index", "gpu.uuid")


class Rating(NamedTuple):
    """How a candidate compares with others that can start a session now; the least is the best."""

    mixed: bool  # several models
    unused_gpus: int  # that the session would begin to use
    memory_mib: int  # of the largest device, so that large ones stay free
    emptiness: float  # minus the used part of the fullest physical GPU
    idle_node: bool  # nothing on the node is in use, so that whole nodes stay free
    free_units: int  # of the node
    node: str
    model: str


class Candidate:
    """One node pool, or several on one node for a mix, for requests of *count* units.

    Of candidates that can serve equally early the one with the lower ``rank`` is preferred.
    """

    def __init__(self, pools: Sequence[NodePool], count: int) -> None:
        self.count = count
        self.rank = (len(pools) > 1, pools[0].rank)
        self._pools = pools
        self._node = pools[0].node
        self._whole = all(pool.whole for pool in pools)
        self._memory_mib = max(pool.memory_mib for pool in pools)
        if len(pools) == 1:
            self.units: Sequence[Unit] = pools[0].units
            self._timeline: Sequence[Unit] | None = pools[0].timeline
        else:
            self.units = [unit for pool in pools for unit in pool.units]
            self._timeline = None

    def window(self) -> float:
        """Return until when a session that starts here now may last."""
        ready = [unit.reserved_from for unit in self.units if unit.ready]
        if len(ready) < self.count:
            return NO_WINDOW
        ready.sort(reverse=True)
        return ready[self.count - 1]

    def rate(self, end: float) -> Rating:
        """Rate this candidate for a session that starts now and ends at *end*."""
        node, unused, fullness = self._node, self.count, 0.0
        if not self._whole:
            units = self._usable(end)[: self.count]
            unused = len({unit.physical for unit in units if not unit.physical.used})
            fullness = units[0].physical.used / units[0].physical.units
        return Rating(
            len(self._pools) > 1,
            unused,
            self._memory_mib,
            -fullness,
            node.free == node.units,
            node.free,
            node.name,
            self._pools[0].gpu_pool.model,
        )

    def choose(self, end: float, capacity: Capacity) -> list[Unit]:
        """Return the units for a session that starts now and ends at *end*."""
        units = self._usable(end)
        if self._whole and len(units) > self.count and self._node.name in capacity.connections:
            positions, weights = capacity.connections[self._node.name]
            known = {positions[u.gpu.uuid]: u for u in units if u.gpu.uuid in positions}
            if len(known) >= self.count:
                return [known[p] for p in best_connected(weights, tuple(known), self.count)]
        return units[: self.count]

    def after_cool_down(self, end: float) -> list[Unit] | None:
        """Return the units for a session until *end* that wait at most for checks under way."""
        units = [
            unit
            for unit in self.units
            if (unit.ready or unit.cooling_down) and not unit.taken and unit.reserved_from >= end
        ]
        units.sort(key=lambda unit: (not unit.ready, *by_index(unit)))
        return units[: self.count] if len(units) >= self.count else None

    def earliest(self) -> Sequence[Unit]:
        """Return the units that become available first; the last of them decides the start."""
        timeline = self._timeline or sorted(self.units, key=_by_availability)
        return timeline[: self.count]

    def latest(self, moment: float) -> Sequence[Unit]:
        """Return the units that become available last, of those available at *moment*."""
        units = [unit for unit in self.units if unit.available <= moment]
        return sorted(units, key=lambda unit: (-unit.available, *by_index(unit)))[: self.count]

    def start(self) -> float:
        """Return from when enough units can be reserved here (Unix time)."""
        if self._timeline is not None:
            return self._timeline[self.count - 1].available
        return self.earliest()[-1].available

    def _usable(self, end: float) -> list[Unit]:
        """Return the units for a session until *end*, parts of the fullest GPU first."""
        units = [unit for unit in self.units if unit.ready and unit.reserved_from >= end]
        units.sort(key=_packed)
        return units


def _packed(unit: Unit) -> tuple[float, int, str, int]:
    fullness = unit.physical.used / unit.physical.units
    return (-fullness, unit.gpu.index, unit.gpu.uuid, unit.slot)
