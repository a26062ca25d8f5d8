"""Units of work: how one is opened to read, and how a change is made."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from gpudock.broker.unit_of_work import UnitOfWork
from gpudock.broker.usage_cache import UsageCache
from gpudock.policy.scheduling.fair_share import HALF_LIFE_DAYS
from gpudock.store import StoreInterruptedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpudock.broker.clock import SteadyClock
    from gpudock.broker.config import BrokerConfig
    from gpudock.inventory import Inventory
    from gpudock.model import Lease
    from gpudock.store import Store, Transaction

log = logging.getLogger(__name__)

T = TypeVar("T")


class Transactions:
    """Opens units of work in a process that grants nothing.

    The hub sees that something was changed, and grants what can be granted then. In the hub itself,
    ``gpudock.broker.cycle`` schedules with every change.

    Attributes:
        store: the database.
        config: the broker's configuration.
        clock: the time.
    """

    def __init__(
        self, store: Store, inventory: Inventory, config: BrokerConfig, clock: SteadyClock
    ) -> None:
        self.store = store
        self.config = config
        self.clock = clock
        self._inventory = inventory
        self._usage_cache = UsageCache(getattr(config.ordering, "half_life_days", HALF_LIFE_DAYS))
        # How far the clock had jumped when what is kept in memory last followed it.
        self._followed = 0.0

    @contextmanager
    def reading(self) -> Iterator[UnitOfWork]:
        """Open a unit of work that only reads."""
        with self.store.snapshot() as transaction:
            yield self._begin(transaction)

    def run(self, change: Callable[[UnitOfWork], T]) -> T:
        """Make a change in a transaction, and return what *change* returns.

        It is made again in another transaction if the database interrupts the first one and undoes
        it.

        Raises:
            StoreError: the database failed; nothing was changed.
        """
        try:
            return self._run(change)
        except StoreInterruptedError as error:
            log.warning("%s Trying again.", error)
            return self._run(change)

    def _run(self, change: Callable[[UnitOfWork], T]) -> T:
        with self._changing() as transaction:
            return change(self._begin(transaction))

    def with_last_use(self, leases: list[Lease], now: float) -> list[Lease]:
        """Return leases with the last use of their devices that this process knows of."""
        return leases

    def mark_active(self, lease_id: str, now: float) -> None:
        """Note that somebody uses a session at *now* (Unix time)."""

    @contextmanager
    def _changing(self) -> Iterator[Transaction]:
        """Open a writing transaction; what was read in one that fails is forgotten."""
        try:
            with self.store.transaction() as transaction:
                yield transaction
        except BaseException:
            self._usage_cache.clear()
            raise

    def _begin(self, transaction: Transaction) -> UnitOfWork:
        """Begin a unit of work now, with the newest reading of the devices."""
        now = self.clock.time()
        if self.clock.jumps != self._followed:
            self._follow_clock(self.clock.jumps - self._followed)
            self._followed = self.clock.jumps
        reading = self._inventory.reading()
        if reading.taken_at is not None and (ahead := self.clock.ahead()) > 0:
            # It was dated by the system's clock, which is being corrected.
            reading = replace(reading, taken_at=reading.taken_at + ahead)
        return UnitOfWork(transaction, reading, self.config, now, self._gate(), self._usage_cache)

    def _gate(self) -> str | None:
        """Return why nothing may be granted; ``None``: grants are open."""
        return None

    def _follow_clock(self, seconds: float) -> None:
        """Move what is kept in memory along with a clock that was set by *seconds*."""
        self._usage_cache.clear()
