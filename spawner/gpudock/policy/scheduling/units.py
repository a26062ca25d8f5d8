"""What can be given in a lab: units, and the pools, stocks and hosts that they lie in.

A :class:`Unit` is what one session can get: a whole device, a MIG slice, or a slot of a shared
device. Units that are alike and in one host lie in one :class:`Pool`. All of it changes during one
round of decisions, and only in one direction: what is taken or booked stays so.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpudock.model import GPU
    from gpudock.policy.scheduling.placement import Weights

NEVER = 1e18
"""A moment that is not known. It is finite, so that what is booked from then on is told from what
is not booked at all: a session without an end may have only the latter."""

NOT_BOOKED = math.inf


class Silicon:
    """One physical GPU.

    Attributes:
        total: how many units are cut from it.
        used: how many of them are taken.
    """

    __slots__ = ("total", "used")

    def __init__(self) -> None:
        self.total = 0
        self.used = 0


class Unit:
    """What one session can get.

    Attributes:
        gpu: the device.
        slot, slots: which slot of how many; one of one is the whole device.
        rank: its place in the order of preference among units that are otherwise equal.
        silicon: the physical GPU that it is a part of.
        pool: where it lies while it is in service.
        ready: it may be granted at this moment unless it is taken.
        cooling_down: it is not, but soon will be, or goes out of service: its check is under way.
        taken: a session has it, or has something of the same silicon that excludes it.
        available: from when it can be booked (Unix time): when the last session on it, or the last
            one that it is booked for, ends at the latest.
        booked: when the first booking of it begins; :data:`NOT_BOOKED` without any.
        kin: the units that exclude it, because one of the two is cut from the other.
    """

    __slots__ = (
        "available",
        "booked",
        "cooling_down",
        "gpu",
        "kin",
        "pool",
        "rank",
        "ready",
        "silicon",
        "slot",
        "slots",
        "taken",
    )

    def __init__(
        self,
        gpu: GPU,
        slot: int,
        slots: int,
        silicon: Silicon,
        *,
        ready: bool,
        cooling_down: bool,
        now: float,
    ) -> None:
        self.gpu = gpu
        self.slot = slot
        self.slots = slots
        self.silicon = silicon
        self.ready = ready
        self.cooling_down = cooling_down
        self.rank = 0
        self.pool: Pool | None = None
        self.taken = False
        self.available = now
        self.booked = NOT_BOOKED
        self.kin: tuple[Unit, ...] = ()


class Host:
    """A machine.

    Attributes:
        name: its name.
        rank: its place in the order of the names.
        version: grows whenever something of it is taken, or booked that is free; so does that of
            the stocks.
        stocks: of which units lie in it.
        units: how many units in service it has.
        free: how many of them are not taken.
        weights: how its whole devices are connected, in their order of preference; ``None``: all
            alike, or not known.
        position: a device's UUID to its position in *weights*.
    """

    __slots__ = ("free", "name", "position", "rank", "stocks", "units", "version", "weights")

    def __init__(self, name: str) -> None:
        self.name = name
        self.rank = 0
        self.version = 0
        self.stocks: list[Stock] = []
        self.units = 0
        self.free = 0
        self.weights: Weights | None = None
        self.position: dict[str, int] = {}

    def touch(self) -> None:
        """Note that what was found out about its free units may not be true any more."""
        self.version += 1
        for stock in self.stocks:
            stock.version += 1


@dataclass(slots=True)
class Stock:
    """All units of one model in the lab, whole and sliced ones together.

    Attributes:
        model: the model's name.
        shared: they are slots of shared devices.
        pools: where they lie.
        idle: how many in service are not taken.
        unready: those in service which cannot be granted at this moment, with the reasons.
        out: sentences on the devices out of service, an empty one where no reason is known.
        serving: how many are in service.
        version: grows with that of each host where some of them lie.
    """

    model: str
    shared: bool
    pools: list[Pool]
    idle: int
    unready: list[tuple[Unit, str | None]]
    out: list[str]
    serving: int
    version: int = 0


class Pool:
    """Units of one model and size, in service, in one host.

    Attributes:
        host: the machine.
        stock: all of the model in the lab.
        memory_mib: memory of the device (of the slice).
        whole: they are neither slices nor slots.
        units: all of them.
        free: those that are ready and not taken.
        times: for all units (available, rank, unit), sorted.
        unsettled: how many units are neither taken nor booked, or have kin. Without any, a booking
            changes nothing but :attr:`times`.
    """

    __slots__ = (
        "free",
        "host",
        "memory_mib",
        "rank",
        "stock",
        "times",
        "units",
        "unsettled",
        "whole",
    )

    def __init__(self, host: Host, stock: Stock, memory_mib: int, *, whole: bool) -> None:
        self.host = host
        self.stock = stock
        self.memory_mib = memory_mib
        self.whole = whole
        self.units: list[Unit] = []
        self.free: list[Unit] = []
        self.unsettled = 0
        self.times: list[tuple[float, int, Unit]] = []
        self.rank = 0

    def rebook(self, count: int, end: float) -> bool:
        """Keep the *count* units that can be booked first until *end* too, if nothing else changes.

        That is the common case of a long queue: nothing of the pool is free, no other concerned.

        Args:
            count: how many units.
            end: Unix time, not before the last of them can be booked.
        """
        if self.unsettled:
            return False
        times = self.times
        if count == 1:
            _, rank, unit = times[0]
            del times[0]
            insort(times, (end, rank, unit))
            unit.available = end
        else:
            later = [(end, rank, unit) for _, rank, unit in times[:count]]
            for _, _, unit in later:
                unit.available = end
            times[:count] = later
            times.sort()
        return True

    def move(self, unit: Unit, available: float) -> None:
        """Note from when *unit* can be booked."""
        del self.times[bisect_left(self.times, (unit.available, unit.rank))]
        unit.available = available
        insort(self.times, (available, unit.rank, unit))
