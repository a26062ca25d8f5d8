"""Capacity: what the lab can give during one decision, and from when.

A *unit* is what one session can get: a whole GPU, a MIG slice, or a slot of a shared GPU. The units
of one kind on one node form a *node pool*, all units of one model in the lab a *GPU pool*.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING

from gpudock.policy.scheduling.placement import connections_by_node

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpudock.model import GPU, Lease, Link
    from gpudock.policy.gpu_health import DeviceHealth
    from gpudock.policy.scheduling.placement import Connections

# The Unix time of an end that is not known. It is finite, because a session without an end may have
# no unit that is reserved, not even from then on.
NEVER = 1e18
UNRESERVED = math.inf

_by_preference = attrgetter("memory_mib", "node.name", "gpu_pool.model", "whole")
by_index = attrgetter("gpu.index", "gpu.uuid", "slot")
_by_availability = attrgetter("available", "rank")


@dataclass(slots=True, eq=False)
class PhysicalGPU:
    """One physical GPU: how many units it is divided into, and how many of them are in use."""

    units: int = 0
    used: int = 0


@dataclass(slots=True, eq=False)
class Node:
    """One machine: its name, how many units are in service, and how many of them are not taken."""

    name: str
    units: int = 0
    free: int = 0


@dataclass(slots=True, eq=False)
class GPUPool:
    """All units of one model in the lab: slots of shared GPUs, MIG slices, or neither."""

    model: str
    shared: bool
    sliced: bool
    node_pools: list[NodePool] = field(default_factory=list)  # the units in service
    idle: int = 0  # how many units in service are not taken
    # Units in service that cannot be granted now, each with the reason.
    unready: list[tuple[Unit, str | None]] = field(default_factory=list)
    # For each device out of service the reason, empty where none is known.
    out_of_service: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class NodePool:
    """Units in service of one model, memory size and kind on one node."""

    node: Node
    gpu_pool: GPUPool
    memory_mib: int
    whole: bool  # neither slices nor slots
    rank: int = 0  # among all node pools; the lower one is preferred
    units: list[Unit] = field(default_factory=list)  # by the driver's numbers
    timeline: list[Unit] = field(default_factory=list)  # the same units, by availability

    def postpone(self, unit: Unit, available: float) -> None:
        """Set from when *unit* is available, at its place in the timeline."""
        del self.timeline[bisect_left(self.timeline, _by_availability(unit), key=_by_availability)]
        unit.available = available
        insort(self.timeline, unit, key=_by_availability)


@dataclass(slots=True, eq=False)
class Unit:
    """What one session can get: slot *slot* of *slots*; one of one is the whole device."""

    gpu: GPU
    slot: int
    slots: int
    physical: PhysicalGPU
    ready: bool  # it can be granted now
    cooling_down: bool  # the check after its last session is under way
    available: float  # when the last session on it and the last reservation of it end (Unix time)
    reserved_from: float = UNRESERVED  # when the first reservation of it begins
    taken: bool = False  # a session has it, or has a unit that conflicts with it
    rank: int = 0  # in its pool
    pool: NodePool | None = None  # None while it is out of service
    conflicting: tuple[Unit, ...] = ()  # a GPU and its slices exclude each other

    def take(self, until: float) -> None:
        """Give this unit to a session that ends at *until* at the latest."""
        self.physical.used += not self.taken
        for unit in (self, *self.conflicting):
            pool = unit.pool
            if pool is not None:
                pool.node.free -= not unit.taken
                pool.gpu_pool.idle -= not unit.taken
                if until > unit.available:
                    pool.postpone(unit, until)
            unit.taken = True
            unit.ready = False

    def reserve(self, start: float, end: float) -> None:
        """Keep this unit from *start* to *end* for a request that waits."""
        for unit in (self, *self.conflicting):
            if start < unit.reserved_from:
                unit.reserved_from = start
            if unit.pool is not None and end > unit.available:
                unit.pool.postpone(unit, end)


class Capacity:
    """All units of the lab; ``gpu_pools`` has them by model, whether they are slots, and slices."""

    def __init__(
        self,
        devices: Iterable[DeviceHealth],
        leases: Iterable[Lease],
        links: Sequence[Link],
        now: float,
    ) -> None:
        """Divide *devices* into units, and give *leases* what they hold."""
        self.now = now
        self.gpu_pools: dict[tuple[str, bool, bool], GPUPool] = {}
        self._units: dict[str, list[Unit]] = {}
        self._slices: dict[str, list[Unit]] = {}
        self._links = links
        self._lay_out(devices)
        self._mark_conflicts()
        for lease in leases:
            self._occupy(lease)

    @cached_property
    def connections(self) -> dict[str, Connections]:
        """How the GPUs of each node are connected, where that makes a difference."""
        return connections_by_node(
            self._links, {uuid: units[0].gpu.host for uuid, units in self._units.items()}
        )

    def _lay_out(self, devices: Iterable[DeviceHealth]) -> None:
        physical: dict[str, PhysicalGPU] = {}
        pools: dict[tuple[str, str, int, bool, bool], NodePool] = {}
        nodes: dict[str, Node] = {}
        for device in devices:
            gpu, slots = device.gpu, device.slots
            sliced, shared = gpu.parent_uuid is not None, slots > 1
            chip = physical.setdefault(gpu.physical_uuid, PhysicalGPU())
            chip.units += slots
            ready = device.in_service and device.grantable
            units = [
                Unit(gpu, slot, slots, chip, ready, device.cooling_down, self.now)
                for slot in range(slots)
            ]
            self._units[gpu.uuid] = units
            if gpu.parent_uuid is not None:
                self._slices.setdefault(gpu.parent_uuid, []).extend(units)
            form = (gpu.model, shared, sliced)
            gpu_pool = self.gpu_pools.setdefault(form, GPUPool(*form))
            if not device.in_service:
                gpu_pool.out_of_service.append(device.reason or "")
                continue
            node = nodes.setdefault(gpu.host, Node(gpu.host))
            key = (gpu.host, gpu.model, gpu.memory_mib, sliced, shared)
            if key not in pools:
                whole = not sliced and not shared
                pools[key] = NodePool(node, gpu_pool, gpu.memory_mib, whole)
            pools[key].units += units
            node.units += slots
            node.free += slots
            gpu_pool.idle += slots
            if not device.grantable:
                gpu_pool.unready += [(unit, device.reason) for unit in units]
        for rank, pool in enumerate(sorted(pools.values(), key=_by_preference)):
            pool.rank = rank
            pool.gpu_pool.node_pools.append(pool)
            pool.units.sort(key=by_index)
            pool.timeline = list(pool.units)
            for place, unit in enumerate(pool.units):
                unit.pool, unit.rank = pool, place

    def _mark_conflicts(self) -> None:
        for parent, slices in self._slices.items():
            whole = self._units.get(parent, [])
            for unit in whole:
                unit.conflicting = tuple(slices)
            for unit in slices:
                unit.conflicting = tuple(whole)

    def _occupy(self, lease: Lease) -> None:
        until = NEVER if lease.latest_end is None else lease.latest_end
        for uuid in lease.gpu_uuids:
            units = self._units.get(uuid, [])
            if len(units) == lease.slots:
                # A slot that does not exist stands for the whole device.
                units = [unit for unit in units if unit.slot == lease.slot] or units
            # Of a device that is no longer known, slices may still be known.
            for unit in units or self._slices.get(uuid, []):
                unit.take(until)
