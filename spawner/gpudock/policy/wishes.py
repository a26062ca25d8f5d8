"""Wishes: what requests that are alike can get on the floor, now or later.

All requests for as many units of the same models share one :class:`Wish`, so that a long queue is
not compared with every device again and again.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, TypeAlias

from gpudock.policy.floor import NEVER, NOT_BOOKED
from gpudock.policy.placement import best_connected, suits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpudock.model import Request
    from gpudock.policy.floor import Floor, Host, Pool, Stock, Unit

Preference: TypeAlias = tuple[bool, int, int, float, bool, int, int, str]

_NO_PASSAGE = -math.inf

_booked = attrgetter("booked")
_rank = itemgetter(1)


class Site:
    """A place in one host where a wish may come true.

    Attributes:
        host: the machine.
        pools: one pool, or several of one host for a mix of models.
        capacity: how many units one session could get here.
        rank: its place among sites that can serve equally soon.
        times: the pool's times, where it is one pool.
        version: the host's version that the rest is true for.
        passage: a session that ends until then can start here now; :data:`NOT_BOOKED`: any can;
            minus infinity: none can.
        preference: how it compares with other sites where any session can start; less is better.
    """

    __slots__ = (
        "capacity",
        "host",
        "passage",
        "pools",
        "preference",
        "rank",
        "times",
        "version",
    )

    def __init__(self, pools: tuple[Pool, ...], rank: int) -> None:
        self.host: Host = pools[0].host
        self.pools = pools
        self.times = pools[0].times if len(pools) == 1 else None
        self.capacity = sum(len(_apart(pool.units, pools)) for pool in pools)
        self.rank = rank
        self.version = -1
        self.passage = _NO_PASSAGE
        self.preference: Preference | None = None

    def look(self, count: int) -> None:
        """Find out what can start here now."""
        self.version = self.host.version
        free = self.free()
        self.preference = None
        self.passage = _NO_PASSAGE
        if len(free) >= count:
            self.passage = (
                max(map(_booked, free))
                if count == 1
                else sorted(map(_booked, free), reverse=True)[count - 1]
            )
        if self.passage == NOT_BOOKED:
            self.preference = self.rate([unit for unit in free if unit.booked == NOT_BOOKED], count)

    def free(self) -> Sequence[Unit]:
        """Return the units that no session has and that can be granted."""
        if len(self.pools) == 1:
            return self.pools[0].free
        return [unit for pool in self.pools for unit in _apart(pool.free, self.pools)]

    def rate(self, units: Sequence[Unit], count: int) -> Preference:
        """Compare this site with others, given its units that can be used; less is better.

        One model is better than a mix; parts of a GPU in use are better than a new one; smaller
        memory is better, so that large devices stay free; the fuller GPU is better, and then a
        host that is in use, and of these the one with less left.
        """
        pool, host = self.pools[0], self.host
        fresh, fullness = count, 0.0
        if not pool.whole:
            units = sorted(units, key=_packed)[:count]
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

    def start(self, count: int) -> float:
        """Return from when *count* units can be booked here."""
        if len(self.pools) == 1:
            return self.pools[0].times[count - 1][0]
        return self.soonest(count)[-1].available

    def soonest(self, count: int) -> list[Unit]:
        """Return the *count* units that can be booked first, the last of them at the end."""
        if len(self.pools) == 1:
            return [entry[2] for entry in self.pools[0].times[:count]]
        units = [unit for pool in self.pools for unit in _apart(pool.units, self.pools)]
        units.sort(key=lambda unit: (unit.available, unit.gpu.index, unit.gpu.uuid))
        return units[:count]


def _apart(units: Sequence[Unit], pools: tuple[Pool, ...]) -> Sequence[Unit]:
    """Leave out whole devices of which the same site has slices: one session gets not both."""
    if len(pools) == 1:
        return units
    return [
        unit
        for unit in units
        if unit.gpu.parent_uuid is not None or not any(other.pool in pools for other in unit.kin)
    ]


def _packed(unit: Unit) -> tuple[float, int, str, int]:
    """Sort parts of the fullest GPU first, and those of one GPU together."""
    chip = unit.silicon
    return (-chip.used / chip.total, unit.gpu.index, unit.gpu.uuid, unit.slot)


class Crowd:
    """The requests for the same models, however many GPUs they want.

    Attributes:
        waiting: how many of them wait already.
        rivals: the crowds that compete for some of the same models, this one included.
    """

    __slots__ = ("rivals", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.rivals: list[Crowd] = [self]


class Wish:
    """What requests that are alike can get.

    Attributes:
        count: how many units each of them wants.
        shared: they want slots of shared devices.
        stocks: the models that they take.
        possible: devices in service suffice, as soon as they come free.
        passable: no session that ends later than this can start now; it only ever gets earlier.
        full: the sentence that all of them are in use, once that is so.
        crowd: those who wait for the same models.
    """

    __slots__ = (
        "_floor",
        "_kept",
        "_sites",
        "_soonest",
        "_starts",
        "count",
        "crowd",
        "full",
        "passable",
        "possible",
        "shared",
        "stocks",
    )

    def __init__(
        self, floor: Floor, stocks: Sequence[Stock], count: int, crowd: Crowd, *, shared: bool
    ) -> None:
        self._floor = floor
        self.crowd = crowd
        self.stocks = stocks
        self.count = count
        self.shared = shared
        self._sites = [site for site in _sites(stocks, count) if site.capacity >= count]
        # Sites by when they can serve, in two lists: comparing numbers is quick.
        self._soonest = sorted(self._sites, key=lambda site: (site.start(count), site.rank))
        self._starts = [site.start(count) for site in self._soonest]
        self._kept = False
        self.possible = bool(self._sites)
        self.passable = NOT_BOOKED if self.possible else _NO_PASSAGE
        self.full: str | None = None

    @property
    def idle(self) -> int:
        """How many units in service are not taken."""
        return sum([stock.idle for stock in self.stocks])

    @property
    def ahead(self) -> int:
        """How many requests wait already for some of the same models."""
        return sum([crowd.waiting for crowd in self.crowd.rivals])

    def choose(self, end: float) -> list[Unit] | None:
        """Choose units for a session that starts now.

        Units that nobody waits for come first; those that are booked may be used until then.

        Args:
            end: when the session ends at the latest (Unix time); infinite when it has no end.
        """
        if end > self.passable:
            return None
        count = self.count
        best: Site | None = None
        preference: Preference | None = None
        passable = _NO_PASSAGE
        for site in self._sites:
            if site.version != site.host.version:
                site.look(count)
            if site.passage > passable:
                passable = site.passage
            rating = site.preference
            if rating is not None and (preference is None or rating < preference):
                best, preference = site, rating
        if best is not None:
            return self._pick(best, NOT_BOOKED)
        if end > passable:
            self.passable = passable
            # What is not free now will not be so in this round.
            self._sites = [site for site in self._sites if site.passage != _NO_PASSAGE]
            return None
        return self._pick(
            min(
                (site for site in self._sites if site.passage >= end),
                key=lambda site: site.rate(_until(site, end), count),
            ),
            end,
        )

    def _pick(self, site: Site, end: float) -> list[Unit]:
        units = sorted(_until(site, end), key=_packed)
        weights = None
        if len(units) > self.count and all(pool.whole for pool in site.pools):
            weights = self._floor.weights(site.host)
        if weights is None:
            return units[: self.count]
        position = site.host.position
        known = {position[u.gpu.uuid]: u for u in units if u.gpu.uuid in position}
        if len(known) < self.count:
            return units[: self.count]
        return [known[p] for p in best_connected(weights, tuple(known), self.count)]

    def book(self, seconds: float) -> float:
        """Book the units that come free first.

        Args:
            seconds: how long the session may last; infinite when it has no end.

        Returns:
            When it starts at the latest (Unix time); :data:`NEVER` when that is not known.
        """
        starts, soonest, last = self._starts, self._soonest, self.count - 1
        while True:
            start, site = starts[0], soonest[0]
            times = site.times
            actual = site.start(self.count) if times is None else times[last][0]
            if actual == start:
                break
            # A site only ever becomes worse, so what is at the front and true is the best.
            del starts[0], soonest[0]
            place = bisect_left(starts, actual)
            while place < len(starts) and starts[place] == actual:
                if soonest[place].rank > site.rank:
                    break
                place += 1
            starts.insert(place, actual)
            soonest.insert(place, site)
        end = min(start + seconds, NEVER)
        # The common case of a long queue: nothing of it is free, nothing else concerned.
        if times is not None and end > start and not site.pools[0].unsettled:
            moved = times[: self.count]
            del times[: self.count]
            place = bisect_left(times, (end,))
            if place < len(times) and times[place][0] == end:
                for _, number, unit in moved:
                    unit.available = end
                    insort(times, (end, number, unit))
            else:
                moved.sort(key=_rank)
                for _, _, unit in moved:
                    unit.available = end
                times[place:place] = [(end, number, unit) for _, number, unit in moved]
            return start
        self._floor.book(site.soonest(self.count), start, end)
        return start

    def keep_all(self) -> None:
        """Let nobody who comes later have anything that this wish could use."""
        if not self._kept:
            self._kept = True
            self._floor.keep_all(pool for stock in self.stocks for pool in stock.pools)


def _until(site: Site, end: float) -> list[Unit]:
    return [unit for unit in site.free() if unit.booked >= end]


def _sites(stocks: Sequence[Stock], count: int) -> list[Site]:
    """Find all places for *count* units, those of one model before the mixed ones."""
    pools = [pool for stock in stocks for pool in stock.pools]
    pools.sort(key=lambda pool: (pool.memory_mib, pool.host.rank, pool.stock.model, pool.whole))
    found = [Site((pool,), rank) for rank, pool in enumerate(pools)]
    if count > 1:
        by_host: dict[int, list[Pool]] = {}
        for pool in pools:
            by_host.setdefault(pool.host.rank, []).append(pool)
        found.extend(
            Site(tuple(mixed), len(pools) + rank)
            for rank, mixed in by_host.items()
            if len(mixed) > 1
        )
    return found


class Wishes:
    """Finds the wish of each request."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._by_form: dict[tuple[int, str | None, bool, tuple[str, ...] | None], Wish] = {}
        self._by_stocks: dict[tuple[int, bool, frozenset[str]], Wish] = {}
        self._crowds: dict[tuple[bool, frozenset[str]], Crowd] = {}

    def of(self, request: Request, allowed: tuple[str, ...] | None, shared: bool) -> Wish:
        """Return what *request* can get, where its user's quota allows the models *allowed*."""
        form = (request.gpus, request.gpu_model, shared, allowed)
        wish = self._by_form.get(form)
        if wish is None:
            wish = self._by_form[form] = self._find(request, allowed, shared=shared)
        return wish

    def _find(self, request: Request, allowed: tuple[str, ...] | None, *, shared: bool) -> Wish:
        stocks = {
            stock.model: stock
            for stock in self._floor.stocks.values()
            if stock.shared is shared and suits(stock.model, request.gpu_model, allowed)
        }
        models = frozenset(stocks)
        key = (request.gpus, shared, models)
        wish = self._by_stocks.get(key)
        if wish is None:
            crowd = self._crowd(models, shared=shared)
            wish = Wish(self._floor, list(stocks.values()), request.gpus, crowd, shared=shared)
            self._by_stocks[key] = wish
        return wish

    def _crowd(self, models: frozenset[str], *, shared: bool) -> Crowd:
        crowd = self._crowds.get((shared, models))
        if crowd is None:
            crowd = Crowd()
            for (also_shared, others), other in self._crowds.items():
                if shared is also_shared and not models.isdisjoint(others):
                    crowd.rivals.append(other)
                    other.rivals.append(crowd)
            self._crowds[shared, models] = crowd
        return crowd
