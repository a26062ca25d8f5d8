"""Sites: where in the lab as many units as a request wants are found, now or soonest."""

from __future__ import annotations

import math
from heapq import heapreplace
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from gpudock.policy.scheduling.units import NOT_BOOKED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpudock.policy.scheduling.units import Host, Pool, Stock, Unit

Preference: TypeAlias = tuple[bool, int, int, float, bool, int, int, str]
Offer: TypeAlias = "tuple[Preference, Site]"
"""A site where any session can start now, and how it compares with others."""

NO_PASSAGE = -math.inf
"""No session can start now, however short."""

_booked = attrgetter("booked")
_rank = attrgetter("rank")


class Site:
    """A place in one host for a certain number of units.

    Attributes:
        host: the machine.
        pools: one pool, or several of one host for a mix of models.
        count: how many units.
        rank: its place among sites that can serve equally soon; no two for the same count share it.
        pool, times: the pool and its times, where it is one.
        version: the host's version that the rest is true for.
        passage: a session that ends until then can start here now; :data:`NOT_BOOKED`: any can;
            :data:`NO_PASSAGE`: none can.
        preference: how it compares with other sites where any session can start; less is better.
    """

    __slots__ = (
        "count",
        "host",
        "passage",
        "pool",
        "pools",
        "preference",
        "rank",
        "times",
        "version",
    )

    def __init__(self, pools: tuple[Pool, ...], count: int, rank: int) -> None:
        self.host: Host = pools[0].host
        self.pools = pools
        self.count = count
        self.rank = rank
        self.pool = pools[0] if len(pools) == 1 else None
        self.times = pools[0].times if len(pools) == 1 else None
        self.version = -1
        self.passage = NO_PASSAGE
        self.preference: Preference | None = None

    def look(self) -> None:
        """Find out what can start here now."""
        self.version = self.host.version
        count, free = self.count, self.free()
        self.preference = None
        self.passage = NO_PASSAGE
        if len(free) >= count:
            self.passage = (
                max(map(_booked, free))
                if count == 1
                else sorted(map(_booked, free), reverse=True)[count - 1]
            )
        if self.passage == NOT_BOOKED:
            self.preference = self.rate(self.until(NOT_BOOKED))

    def until(self, end: float) -> list[Unit]:
        """Return the units that a session which ends at *end* can have now."""
        return [unit for unit in self.free() if unit.booked >= end]

    def settles(self, end: float) -> bool:
        """Tell whether a session that ends at *end* could start but for checks under way."""
        fit = [
            unit
            for unit in self._units()
            if not unit.taken and (unit.ready or unit.cooling_down) and unit.booked >= end
        ]
        return len(fit) >= self.count

    def free(self) -> Sequence[Unit]:
        """Return the units that no session has and that can be granted."""
        if self.pool is not None:
            return self.pool.free
        return [unit for pool in self.pools for unit in _apart(pool.free, self.pools)]

    def rate(self, units: Sequence[Unit]) -> Preference:
        """Compare this site with others, given its units that can be used; less is better.

        One model is better than a mix; parts of a GPU in use are better than a new one; smaller
        memory is better, so that large devices stay free; the fuller GPU is better, and then a
        host that is in use, and of these the one with less left.
        """
        pool, host = self.pools[0], self.host
        fresh, fullness = self.count, 0.0
        if not pool.whole:
            units = sorted(units, key=packed)[: self.count]
            fresh = len({id(unit.silicon) for unit in units if not unit.silicon.used})
            fullness = units[0].silicon.used / units[0].silicon.total
        return (
            len(self.pools) > 1,
            fresh,
            max(pool.memory_mib for pool in self.pools),
            -fullness,
            host.free == host.units,
            host.free,
            host.rank,
            pool.stock.model,
        )

    def start(self) -> float:
        """Return from when as many units can be booked here."""
        if self.times is not None:
            return self.times[self.count - 1][0]
        return self.soonest()[-1].available

    def soonest(self) -> list[Unit]:
        """Return the units that can be booked first, the last of them at the end."""
        if self.times is not None:
            return [entry[2] for entry in self.times[: self.count]]
        units = self._units()
        units.sort(key=lambda unit: (unit.available, unit.gpu.index, unit.gpu.uuid))
        return units[: self.count]

    def _units(self) -> list[Unit]:
        return [unit for pool in self.pools for unit in _apart(pool.units, self.pools)]


class Line:
    """The sites for as many units of one model, or of mixes of models.

    Wishes that take the model share it.

    Attributes:
        sites: all of them.
        heap: for each site when it can serve (Unix time), its rank, and itself; the first of them
            first. What it says may be too early, as sites only ever become worse: the first is the
            best if it is true.
        passable: no session that ends later than this can start now; it only ever gets earlier.
    """

    __slots__ = (
        "_last",
        "_offer",
        "_open",
        "_stocks",
        "_version",
        "heap",
        "passable",
        "sites",
    )

    def __init__(self, sites: Sequence[Site], stocks: Sequence[Stock]) -> None:
        self.sites = sites
        self.heap = sorted((site.start(), site.rank, site) for site in sites)
        self._last = sites[0].count - 1 if sites else 0
        self._stocks = stocks
        self._open = sites
        self._version = -1
        self._offer: Offer | None = None
        self.passable = NOT_BOOKED if sites else NO_PASSAGE

    def first(self) -> tuple[float, int, Site]:
        """Find the site that can serve first, and tell from when on."""
        heap, last = self.heap, self._last
        while True:
            told = heap[0]
            site = told[2]
            times = site.times
            start = site.start() if times is None else times[last][0]
            if start == told[0]:
                return told
            heapreplace(heap, (start, told[1], site))

    def best(self) -> Offer | None:
        """Find the best site where any session can start now."""
        version = sum([stock.version for stock in self._stocks])
        if version == self._version:
            return self._offer
        best: Offer | None = None
        passable = NO_PASSAGE
        closed = False
        for site in self._open:
            if site.version != site.host.version:
                site.look()
            if site.passage > passable:
                passable = site.passage
            elif site.passage == NO_PASSAGE:
                closed = True
            rating = site.preference
            if rating is not None and (best is None or rating < best[0]):
                best = (rating, site)
        if closed:
            # What is not free now will not be so in this round.
            self._open = [site for site in self._open if site.passage != NO_PASSAGE]
        self._version = version
        self._offer = best
        self.passable = passable
        return best

    def until(self, end: float) -> Iterable[Site]:
        """Return where a session can start now that ends at *end*, after :meth:`best`."""
        return (site for site in self._open if site.passage >= end)


def _apart(units: Sequence[Unit], pools: tuple[Pool, ...]) -> Sequence[Unit]:
    """Leave out whole devices of which the same site has slices: one session gets not both."""
    if len(pools) == 1:
        return units
    return [
        unit
        for unit in units
        if unit.gpu.parent_uuid is not None or not any(other.pool in pools for other in unit.kin)
    ]


def packed(unit: Unit) -> tuple[float, int, str, int]:
    """Sort parts of the fullest GPU first, and those of one GPU together."""
    chip = unit.silicon
    return (-chip.used / chip.total, unit.gpu.index, unit.gpu.uuid, unit.slot)


def capacity(pools: tuple[Pool, ...]) -> int:
    """Count the units that one session could get of *pools*, which are of one host."""
    return sum(len(_apart(pool.units, pools)) for pool in pools)
