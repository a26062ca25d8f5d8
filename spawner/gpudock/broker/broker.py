"""The broker: the one place that grants GPUs, queues requests, and takes GPUs back.

What its callers owe it, in the order of a server's life:

1. ``broker.requests.acquire`` (or ``submit``) gives a lease that is already committed.
2. ``broker.leases.begin_container`` before anything is asked of the engine,
   ``broker.leases.bind`` with the container's id between its creation and its start,
   ``broker.leases.finish_container`` when the start is over, one way or the other.
3. ``broker.leases.stop`` before the container is stopped, ``broker.leases.end`` only with proof
   that it is gone or has exited.

``gpudock.hub.lifecycle`` does 2 and 3. :meth:`Broker.reconcile` has to be called with every
complete look at the engine (until the first one nothing is granted), and :meth:`Broker.tick` with
every new reading of the devices.

Each change is one cycle (``gpudock.broker.cycle``): a short transaction that blocks. Only
``requests.acquire`` and ``requests.positions`` wait. Every call raises
:class:`gpudock.store.StoreError` when the database fails, and has then changed nothing;
:meth:`Broker.tick` logs it instead.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from gpudock.broker.clock import SteadyClock
from gpudock.broker.config import BrokerConfig
from gpudock.broker.cycle import SchedulingCycle
from gpudock.broker.gpus import GPUs
from gpudock.broker.leases import LeaseRecords, Leases
from gpudock.broker.queue import Queue
from gpudock.broker.quotas import Quotas
from gpudock.broker.reconcile import Action, Comparison
from gpudock.broker.requests import Requests
from gpudock.broker.sessions import ExpiringSessions, Sessions
from gpudock.broker.transactions import Transactions
from gpudock.broker.usage import AuditTrail, UsageReports
from gpudock.policy.device_names import names_of
from gpudock.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.broker.epoch import Epoch
    from gpudock.broker.unit_of_work import UnitOfWork
    from gpudock.inventory import Inventory
    from gpudock.model import DeviceNames, Observation
    from gpudock.store import Store

log = logging.getLogger(__name__)


class Broker:
    """Grants GPUs as leases, in the hub; see the module's text for what callers owe.

    Attributes:
        requests: what servers ask for.
        leases: the leases, and the making and ending of their containers.
        sessions: the live sessions, and those that are to end.
        queue: the waiting requests.
        gpus: the devices.
        quotas: the quotas of users, groups and the default level.
        usage: who used how much.
        audit: who changed what.
    """

    def __init__(
        self,
        store: Store,
        inventory: Inventory,
        config: BrokerConfig | None = None,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] | None = None,
        epoch: Epoch | None = None,
    ) -> None:
        """Make a broker over a store that is up to date (see ``Store.migrate``).

        Args:
            store: the database.
            inventory: which devices exist, and their health.
            config: the configuration.
            clock: returns Unix time.
            ticks: returns the seconds of a clock that cannot be set, so that sessions keep the time
                that they have left when *clock* is set. By default that of the system if *clock*
                is, otherwise *clock*.
            epoch: the hub's epoch; by default the first transaction takes one.
        """
        self._cycle = cycle = SchedulingCycle(
            store, inventory, config or BrokerConfig(), SteadyClock(clock, ticks), epoch
        )
        self.requests = Requests(cycle)
        self.leases = Leases(cycle)
        self.sessions = ExpiringSessions(cycle)
        self.queue = Queue(cycle)
        self.gpus = GPUs(cycle)
        self.quotas = Quotas(cycle)
        self.usage = UsageReports(cycle)
        self.audit = AuditTrail(cycle)
        self._inventory = inventory
        self._problem: str | None = None

    @property
    def ready(self) -> bool:
        """Whether the engine was looked at, so that leases may be granted."""
        return self._cycle.ready

    def reconcile(self, observation: Observation) -> list[Action]:
        """Make the leases agree with one complete look at the engine.

        Returns what is to be done at the engine (see ``gpudock.hub.lifecycle.perform``); the next
        look proves its effect. The first call opens the lab for grants. Repeating a call with
        the same observation changes nothing more.
        """
        cycle = self._cycle

        def change(work: UnitOfWork) -> tuple[Comparison, frozenset[DeviceNames] | None]:
            comparison = Comparison(work, cycle.process_state, observation)
            # A look that began before the database was found replaced says nothing about it.
            if observation.started_at <= cycle.untrusted_until:
                return comparison, None
            comparison.run()
            work.gate, work.looked_for = None, observation.looked_for
            if observation.looked_for is None:
                return comparison, names_of(work.reading.readings)
            return comparison, observation.looked_for

        comparison, looked_for = cycle.run(change)
        for lease_id in comparison.ended:
            cycle.process_state.end(lease_id)
        if looked_for is not None:
            cycle.ready = True
            cycle.looked_for = looked_for
        return comparison.actions

    @property
    def has_unchecked_devices(self) -> bool:
        """Whether there are devices that a look at the engine is needed for before a grant."""
        looked_for = self._cycle.looked_for
        names = names_of(self._inventory.reading().readings)
        return looked_for is not None and not names <= looked_for

    def keep_epoch(self) -> None:
        """Show other hubs that this one is alive, and check that no other one has taken over.

        Raises:
            EpochLostError: another one has: nothing can be changed any more.
            StoreError: the database failed.
        """
        self._cycle.keep_epoch()

    def tick(self) -> None:
        """Grant what can be granted now. A database that fails is logged, not raised."""
        try:
            self._cycle.run()
        except StoreError as error:
            if str(error) != self._problem:
                log.error("Nothing can be granted: %s", error)
            self._problem = str(error)
        else:
            self._problem = None


class DeskBroker:
    """The lab as another process than the hub sees it: the desk, or the command line.

    It reads, and changes what people may change. What the hub learned from the engine is taken for
    granted, and what a change makes possible is left to the hub to grant.

    Attributes:
        leases, sessions, queue, gpus, quotas, usage, audit: as in :class:`Broker`.
    """

    def __init__(
        self,
        store: Store,
        inventory: Inventory,
        config: BrokerConfig | None = None,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] | None = None,
    ) -> None:
        """Take arguments as :class:`Broker` does."""
        transactions = Transactions(
            store, inventory, config or BrokerConfig(), SteadyClock(clock, ticks)
        )
        self.leases = LeaseRecords(transactions)
        self.sessions = Sessions(transactions)
        self.queue = Queue(transactions)
        self.gpus = GPUs(transactions)
        self.quotas = Quotas(transactions)
        self.usage = UsageReports(transactions)
        self.audit = AuditTrail(transactions)
