"""Wishes: what requests that are alike can get on the floor, now or later.

All requests for as many units of the same models share one :class:`Wish`, so that a long queue is
not compared with every device again and again.
"""

from __future__ import annotations

import math
from bisect import insort
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, TypeAlias

from gpudock.policy.floor import NEVER, NOT_BOOKED
from gpudock.policy.placement import best_connected, suits

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpudock.model import Request
    from gpudock.policy.floor import Floor, Host, Pool, Stock, Unit

Preference: TypeAlias = tuple[bool, int, int, float, bool, int, int, str]
Turn: TypeAlias = "tuple[float, int, Site]"
"""When a site can serve, its rank among those that can serve equally soon, and the site."""

_NO_PASSAGE = -math.inf

_booked = attrgetter("booked")


class Site:
    """A place in one host for a certain number of units.

    Attributes:
        host: the machine.
        pools: one pool, or several of one host for a mix of models.
        count: how many units.
        rank: its place among sites that can serve equally soon.
        pool, times: the pool and its times, where it is one.
        version: the host's version that the rest is true for.
        passage: a session that ends until then can start here now; :data:`NOT_BOOKED`: any can;
            minus infinity: none can.
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
        self.passage = _NO_PASSAGE
        self.preference: Preference | None = None

    def look(self) -> None:
        """Find out what can start here now."""
        self.version = self.host.version
        count, free = self.count, self.free()
        self.preference = None
        self.passage = _NO_PASSAGE
        if len(free) >= count:
            self.passage = (
                max(map(_booked, free))
                if count == 1
                else sorted(map(_booked, free), reverse=True)[count - 1]
            )
        if self.passage == NOT_BOOKED:
            self.preference = self.rate([unit for unit in free if unit.booked == NOT_BOOKED])

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
            units = sorted(units, key=_packed)[: self.count]
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
        units = [unit for pool in self.pools for unit in _apart(pool.units, self.pools)]
        units.sort(key=lambda unit: (unit.available, unit.gpu.index, unit.gpu.uuid))
        return units[: self.count]


class Line:
    """The sites for as many units of one model, or of mixes of models.

    Wishes that take the model share it.

    Attributes:
        turns: when each site can serve, sorted. What it says of a site may be too early, as sites
            only ever become worse: whoever is at the front and true is the best.
        passable: no session that ends later than this can start now; it only ever gets earlier.
    """

    __slots__ = ("_last", "_open", "passable", "turns")

    def __init__(self, sites: list[Site]) -> None:
        self.turns = sorted([(site.start(), site.rank, site) for site in sites])
        self._last = sites[0].count - 1 if sites else 0
        self._open = sites
        self.passable = NOT_BOOKED if sites else _NO_PASSAGE

    def first(self) -> Turn:
        """Find the site that can serve first."""
        turns, last = self.turns, self._last
        while True:
            turn = turns[0]
            told, rank, site = turn
            times = site.times
            actual = site.start() if times is None else times[last][0]
            if actual == told:
                return turn
            del turns[0]
            insort(turns, (actual, rank, site))

    def best(self) -> tuple[Preference, Site] | None:
        """Find the best site where any session can start now, and how it compares."""
        best: tuple[Preference, Site] | None = None
        passable = _NO_PASSAGE
        closed = False
        for site in self._open:
            if site.version != site.host.version:
                site.look()
            if site.passage > passable:
                passable = site.passage
            elif site.passage == _NO_PASSAGE:
                closed = True
            rating = site.preference
            if rating is not None and (best is None or rating < best[0]):
                best = (rating, site)
        self.passable = passable
        if closed:
            # What is not free now will not be so in this round.
            self._open = [site for site in self._open if site.passage != _NO_PASSAGE]
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
        out: how many devices out of service would fit too.
    """

    __slots__ = (
        "_floor",
        "_kept",
        "_line",
        "_lines",
        "_others",
        "count",
        "crowd",
        "full",
        "out",
        "passable",
        "possible",
        "shared",
        "stocks",
    )

    def __init__(
        self,
        floor: Floor,
        stocks: Sequence[Stock],
        lines: Sequence[Line],
        count: int,
        crowd: Crowd,
        *,
        shared: bool,
    ) -> None:
        self._floor = floor
        self._lines = [line for line in lines if line.turns]
        self._line, *self._others = self._lines or [Line([])]
        self._kept = False
        self.crowd = crowd
        self.stocks = stocks
        self.count = count
        self.shared = shared
        self.possible = bool(self._lines)
        self.passable = NOT_BOOKED if self.possible else _NO_PASSAGE
        self.full: str | None = None
        self.out = sum(len(stock.out) for stock in stocks)

    def ahead(self) -> int:
        """Count the requests that wait already for some of the same models."""
        count = 0
        for crowd in self.crowd.rivals:
            count += crowd.waiting
        return count

    def choose(self, end: float) -> list[Unit] | None:
        """Choose units for a session that starts now.

        Units that nobody waits for come first; those that are booked may be used until then.

        Args:
            end: when the session ends at the latest (Unix time); infinite when it has no end.
        """
        if end > self.passable:
            return None
        offers = [offer for line in self._lines if (offer := line.best()) is not None]
        if offers:
            _, site = min(offers, key=itemgetter(0))
            return self._pick(site, NOT_BOOKED)
        self.passable = max([line.passable for line in self._lines])
        if end > self.passable:
            return None
        sites = [site for line in self._lines for site in line.until(end)]
        return self._pick(min(sites, key=lambda site: site.rate(_until(site, end))), end)

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
        turn = self._line.first()
        for other in self._others:
            # What a line says without a look may be too early, never too late.
            if other.turns[0] < turn:
                turn = min(turn, other.first())
        start, _, site = turn
        end = start + seconds
        if end > NEVER:
            end = NEVER
        if site.pool is None or not site.pool.rebook(self.count, end):
            self._floor.book(site.soonest(), start, end)
        self.crowd.waiting += 1
        return start

    def keep_all(self) -> None:
        """Let nobody who comes later have anything that this wish could use."""
        if not self._kept:
            self._kept = True
            self._floor.keep_all(pool for stock in self.stocks for pool in stock.pools)


def _until(site: Site, end: float) -> list[Unit]:
    return [unit for unit in site.free() if unit.booked >= end]


class Wishes:
    """Finds the wish of each request."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._by_form: dict[tuple[int, str | None, bool, tuple[str, ...] | None], Wish] = {}
        self._by_stocks: dict[tuple[int, bool, frozenset[str]], Wish] = {}
        self._lines: dict[tuple[str, bool, int], Line] = {}
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
            found = list(stocks.values())
            lines = [self._line(stock, request.gpus) for stock in found]
            lines.append(self._mixed_line(found, request.gpus))
            crowd = self._crowd(models, shared=shared)
            wish = Wish(self._floor, found, lines, request.gpus, crowd, shared=shared)
            self._by_stocks[key] = wish
        return wish

    def _line(self, stock: Stock, count: int) -> Line:
        key = (stock.model, stock.shared, count)
        line = self._lines.get(key)
        if line is None:
            pools = [pool for pool in stock.pools if len(pool.units) >= count]
            line = self._lines[key] = Line([Site((pool,), count, pool.rank) for pool in pools])
        return line

    def _mixed_line(self, stocks: Sequence[Stock], count: int) -> Line:
        """Return the hosts where a session could get several models, or whole and sliced ones."""
        by_host: dict[int, list[Pool]] = {}
        if count > 1:
            for stock in stocks:
                for pool in stock.pools:
                    by_host.setdefault(pool.host.rank, []).append(pool)
        sites = []
        for pools in by_host.values():
            mixed = tuple(sorted(pools, key=attrgetter("rank")))
            if len(mixed) > 1 and sum(len(_apart(pool.units, mixed)) for pool in mixed) >= count:
                # They come after all sites of one model that can serve equally soon.
                sites.append(Site(mixed, count, len(self._floor.pools) + mixed[0].rank))
        return Line(sites)

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
