"""Wishes: what requests that are alike can get on the floor, now or later.

All requests for as many units of the same models share one :class:`Wish`, so that a long queue is
not compared with every device again and again.
"""

from __future__ import annotations

from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

from gpudock.policy.scheduling.candidates import NO_PASSAGE, Line, Site, capacity, packed
from gpudock.policy.scheduling.placement import best_connected, suits
from gpudock.policy.scheduling.reasons import more_out
from gpudock.policy.scheduling.units import NEVER, NOT_BOOKED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpudock.model import Request
    from gpudock.policy.scheduling.capacity import Floor
    from gpudock.policy.scheduling.units import Pool, Stock, Unit


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
        more_out: what is added to the reasons about devices out of service that would fit too.
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
        "more_out",
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
        self._lines = [line for line in lines if line.sites]
        self._line, *self._others = self._lines or [Line((), ())]
        self._kept = False
        self.crowd = crowd
        self.stocks = stocks
        self.count = count
        self.shared = shared
        self.possible = bool(self._lines)
        self.passable = NOT_BOOKED if self.possible else NO_PASSAGE
        self.full: str | None = None
        self.more_out = more_out(sum(len(stock.out) for stock in stocks))

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
        return self._pick(min(sites, key=lambda site: site.rate(site.until(end))), end)

    def settles(self, end: float) -> bool:
        """Tell whether a session that ends at *end* could start but for checks under way."""
        if not any(unit.cooling_down for stock in self.stocks for unit, _ in stock.unready):
            return False
        return any(site.settles(end) for line in self._lines for site in line.sites)

    def _pick(self, site: Site, end: float) -> list[Unit]:
        units = site.until(end)
        if site.pool is None or not site.pool.whole:
            units.sort(key=packed)
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
        best = self._line.first()
        for line in self._others:
            # What a line says without a look may be too early, never too late.
            if line.heap[0] < best:
                told = line.first()
                if told < best:
                    best = told
        start, _, site = best
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
            sites = [Site((pool,), count, pool.rank) for pool in pools]
            line = self._lines[key] = Line(sites, [stock])
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
            if len(mixed) > 1 and capacity(mixed) >= count:
                # They come after all sites of one model that can serve equally soon.
                sites.append(Site(mixed, count, len(self._floor.pools) + mixed[0].rank))
        return Line(sites, stocks)

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
