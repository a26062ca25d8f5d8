"""The floor: everything that can be given, what is free of it, and from when the rest is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gpudock.policy.scheduling.placement import weight
from gpudock.policy.scheduling.units import NEVER, NOT_BOOKED, Host, Pool, Silicon, Stock, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpudock.model import Lease, Link
    from gpudock.policy.gpu_health import DeviceHealth
    from gpudock.policy.scheduling.placement import Weights


class Floor:
    """All units of the lab during one round."""

    def __init__(
        self,
        conditions: Sequence[DeviceHealth],
        leases: Iterable[Lease],
        links: Sequence[Link],
        now: float,
    ) -> None:
        """Lay out what there is, and what *leases* have of it."""
        self.now = now
        self.stocks: dict[tuple[str, bool], Stock] = {}
        self._hosts: dict[str, Host] = {}
        self._units: dict[str, list[Unit]] = {}
        self._children: dict[str, list[Unit]] = {}
        self._links = links
        self._linked = False
        self._lay_out(conditions)
        self._relate()
        for lease in leases:
            self._let(lease)
        for stock in self.stocks.values():
            stock.idle = 0
            for pool in stock.pools:
                idle = [unit for unit in pool.units if not unit.taken]
                stock.idle += len(idle)
                pool.host.free += len(idle)
                pool.free = [unit for unit in idle if unit.ready]
                pool.unsettled = sum(not unit.taken or bool(unit.kin) for unit in pool.units)
                pool.times = sorted((unit.available, unit.rank, unit) for unit in pool.units)

    # Building.

    def _lay_out(self, conditions: Sequence[DeviceHealth]) -> None:
        silicon: dict[str, Silicon] = {}
        pools: dict[tuple[str, str, int, bool, bool], Pool] = {}
        for condition in conditions:
            gpu, slots = condition.gpu, condition.slots
            physical = gpu.parent_uuid or gpu.uuid
            chip = silicon.get(physical)
            if chip is None:
                chip = silicon[physical] = Silicon()
            chip.total += slots
            serving = condition.in_service
            units = [
                Unit(
                    gpu,
                    slot,
                    slots,
                    chip,
                    ready=serving and condition.grantable,
                    cooling_down=condition.cooling_down,
                    now=self.now,
                )
                for slot in range(slots)
            ]
            self._units[gpu.uuid] = units
            if gpu.parent_uuid is not None:
                self._children.setdefault(gpu.parent_uuid, []).extend(units)
            shared = slots > 1
            stock = self.stocks.get((gpu.model, shared))
            if stock is None:
                stock = Stock(gpu.model, shared, [], 0, [], [], 0)
                self.stocks[gpu.model, shared] = stock
            if not serving:
                stock.out.append(condition.reason or "")
                continue
            sliced = gpu.parent_uuid is not None
            key = (gpu.host, gpu.model, gpu.memory_mib, sliced, shared)
            pool = pools.get(key)
            if pool is None:
                host = self._hosts.get(gpu.host)
                if host is None:
                    host = self._hosts[gpu.host] = Host(gpu.host)
                pool = Pool(host, stock, gpu.memory_mib, whole=not sliced and not shared)
                pools[key] = pool
            pool.units.extend(units)
            pool.host.units += slots
            stock.serving += slots
            for unit in units:
                unit.pool = pool
            if not condition.grantable:
                stock.unready.extend((unit, condition.reason) for unit in units)
        for rank, name in enumerate(sorted(self._hosts)):
            self._hosts[name].rank = rank
        self.pools = sorted(
            pools.values(),
            key=lambda pool: (pool.memory_mib, pool.host.rank, pool.stock.model, pool.whole),
        )
        for rank, pool in enumerate(self.pools):
            pool.rank = rank
            pool.stock.pools.append(pool)
            if pool.stock not in pool.host.stocks:
                pool.host.stocks.append(pool.stock)
            pool.units.sort(key=lambda unit: (unit.gpu.index, unit.gpu.uuid, unit.slot))
            for number, unit in enumerate(pool.units):
                unit.rank = number

    def _relate(self) -> None:
        for parent, children in self._children.items():
            whole = self._units.get(parent)
            if whole is not None:
                for unit in whole:
                    unit.kin = tuple(children)
                for child in children:
                    child.kin = tuple(whole)

    def _let(self, lease: Lease) -> None:
        until = NEVER if lease.latest_end is None else max(lease.latest_end, self.now)
        for uuid in lease.gpu_uuids:
            units = self._units.get(uuid, [])
            if len(units) == lease.slots:
                # A slot that there is not stands for the whole device, as an unknown number does.
                units = [unit for unit in units if unit.slot == lease.slot] or units
            # Of a device that is not known any more, what is cut from it may still be.
            for unit in units or self._children.get(uuid, []):
                for one in (unit, *unit.kin):
                    if not one.taken:
                        one.taken = True
                        one.silicon.used += one is unit
                    one.available = max(one.available, until)

    # What changes in a round.

    def take(self, units: Iterable[Unit], until: float) -> None:
        """Give *units* to a session that ends at *until* at the latest."""
        for unit in units:
            unit.silicon.used += 1
            self._leave(unit, until)
            for other in unit.kin:
                self._leave(other, until)

    def _leave(self, unit: Unit, until: float) -> None:
        pool = unit.pool
        if not unit.taken:
            unit.taken = True
            if pool is not None:
                pool.stock.idle -= 1
                pool.host.free -= 1
                pool.unsettled -= not unit.kin and unit.booked == NOT_BOOKED
                if unit.ready:
                    pool.free.remove(unit)
        if pool is None:
            return
        pool.host.touch()
        # What it is booked for comes later than this session.
        if unit.booked == NOT_BOOKED:
            pool.move(unit, max(unit.available, until))

    def book(self, units: Iterable[Unit], start: float, end: float) -> None:
        """Keep *units* from *start* to *end* for a request that waits."""
        for unit in units:
            self._keep(unit, start, end)
            for other in unit.kin:
                self._keep(other, start, end)

    def _keep(self, unit: Unit, start: float, end: float) -> None:
        pool = unit.pool
        if pool is None:
            return
        if start < unit.booked:
            if not unit.taken:
                pool.unsettled -= not unit.kin and unit.booked == NOT_BOOKED
                pool.host.touch()
            unit.booked = start
        if end > unit.available:
            pool.move(unit, end)

    def keep_all(self, pools: Iterable[Pool]) -> None:
        """Let nobody who comes later have anything of *pools* in this round."""
        for pool in pools:
            for unit in pool.units:
                for one in (unit, *unit.kin):
                    one.booked = -math.inf
                    if one.pool is not None:
                        one.pool.host.touch()

    # How devices are connected.

    def weights(self, host: Host) -> Weights | None:
        """Tell how the whole devices of *host* are connected; ``None``: no choice is better."""
        if not self._linked:
            self._linked = True
            self._learn_links()
        return host.weights

    def _learn_links(self) -> None:
        known: dict[str, dict[tuple[str, str], int]] = {}
        for link in self._links:
            units = self._units.get(link.one)
            if units:
                known.setdefault(units[0].gpu.host, {})[link.one, link.other] = weight(link)
        for name, links in known.items():
            host = self._hosts.get(name)
            uuids = sorted({uuid for pair in links for uuid in pair})
            complete = 2 * len(links) == len(uuids) * (len(uuids) - 1)
            if host is None or (complete and len(set(links.values())) == 1):
                continue
            host.position = {uuid: position for position, uuid in enumerate(uuids)}
            host.weights = tuple(
                tuple(links.get((min(one, other), max(one, other)), 0) for other in uuids)
                for one in uuids
            )
