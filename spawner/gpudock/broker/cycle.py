"""The scheduling cycle: the one way in which the hub changes anything."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, overload

from gpudock.broker.activity import ActivityTracker
from gpudock.broker.clock_jumps import fix_future
from gpudock.broker.epoch import Epoch
from gpudock.broker.notifications import Notifications
from gpudock.broker.process_state import ProcessState
from gpudock.broker.recovery import Recovery
from gpudock.broker.scheduling import (
    DecisionBasis,
    look_up_settled,
    return_to_service,
    schedule,
)
from gpudock.broker.transactions import Transactions
from gpudock.language import Message
from gpudock.policy.device_names import names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpudock.broker.clock import SteadyClock
    from gpudock.broker.config import BrokerConfig
    from gpudock.broker.unit_of_work import Outcome, UnitOfWork
    from gpudock.inventory import Inventory
    from gpudock.model import DeviceNames, Lease, QueuePosition
    from gpudock.store import Store, Transaction

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_LOOK = Message(
    "The lab is finding out which containers run; no GPU is given before that is known."
)


class SchedulingCycle(Transactions):
    """Changes the lab, and with every change grants what can be granted.

    Attributes:
        process_state: what only this process knows of leases.
        notifications: the coroutines that wait in the queue.
        positions: where the waiting requests stand, by (user, server).
        ready: whether the engine was looked at, so that grants are open.
        looked_for: the devices that the latest look at the engine knew of and that have been there
            ever since, by the names that they had then. Which containers have others, such as new
            ones, is known only after the next look.
        epoch: whether this process may change the lab.
        untrusted_until: a look at the engine that began before this says nothing (seconds of a
            clock that cannot be set).
    """

    def __init__(
        self,
        store: Store,
        inventory: Inventory,
        config: BrokerConfig,
        clock: SteadyClock,
        epoch: Epoch | None = None,
    ) -> None:
        super().__init__(store, inventory, config, clock)
        self.epoch = epoch or Epoch()
        self.process_state = ProcessState(clock.monotonic)
        self.notifications = Notifications()
        self.positions: dict[tuple[str, str], QueuePosition] = {}
        self.ready = False
        self.looked_for: frozenset[DeviceNames] | None = None
        self.untrusted_until = float("-inf")
        self._activity = ActivityTracker()
        self._recovery = Recovery(clock.monotonic)
        # How far the clock had jumped when the stored times last followed it.
        self._shifted = 0.0
        self._generation = -1
        self._basis: DecisionBasis | None = None

    @overload
    def run(self, change: Callable[[UnitOfWork], T]) -> T: ...
    @overload
    def run(self) -> None: ...
    def run(self, change: Callable[[UnitOfWork], T] | None = None) -> T | None:
        """Run one cycle.

        Args:
            change: what a command changes; without one, only what time and devices change.

        Returns:
            What *change* returns. The outcome of its unit of work is complete by then.

        Raises:
            StoreError: the database failed; nothing was changed.
        """
        # 1. Open a transaction. Writers follow one another, so what it reads stays true.
        with self._changing() as transaction:
            if self.epoch.enter(transaction):
                self._close_gate()
            generation = transaction.generation
            work = self._begin(transaction)

            # 2. Follow the clock.
            jumps = self.clock.jumps
            if jumps != self._shifted:
                transaction.shift_times(jumps - self._shifted)
            if self._activity.is_due(work.now):
                fix_future(transaction, work.now)

            # 3. Take in the readings of the devices.
            work.save_devices()

            # 4. Apply the change.
            result = change(work) if change is not None else None

            # 5. Schedule, if a decision may differ from the latest one.
            basis = self._schedule(work, DecisionBasis.of(work, generation))

            # 6. Record what became of awaited requests, and which sessions use their GPUs.
            outcome = work.outcome
            settled = {*outcome.grants, *outcome.denials, *outcome.positions}
            look_up_settled(work, (x for x in self.notifications.servers() if x not in settled))
            self._activity.record(work)

            # 7. Commit: the transaction ends here. A copy from before it has another stamp.
            if transaction.changed or generation != self._generation:
                self.epoch.stamp(transaction)
            generation += transaction.changed

        # Only now: had the commit failed, none of this would be true.
        self._generation = generation
        self._basis = replace(basis, generation=generation)
        self._shifted = jumps

        # 8. Notify the coroutines that wait.
        self._notify(outcome)
        return result

    def with_last_use(self, leases: list[Lease], now: float) -> list[Lease]:
        """Return leases with the last use of their devices that this process knows of."""
        return self._activity.with_last_use(leases, now)

    def mark_active(self, lease_id: str, now: float) -> None:
        """Note that somebody uses a session at *now* (Unix time)."""
        self._activity.mark_active(lease_id, now)

    def is_replaced(self, transaction: Transaction) -> bool:
        """Return whether the database was replaced by a copy, or taken over by another hub."""
        return not self.epoch.is_current(transaction)

    def keep_epoch(self) -> None:
        """Show other hubs that this one is alive, and check that no other one has taken over.

        Raises:
            EpochLostError: another one has.
            StoreError: the database failed.
        """
        with self._changing() as transaction:
            if self.epoch.enter(transaction):
                self._close_gate()
            self.epoch.stamp(transaction)

    @property
    def times_are_shifted(self) -> bool:
        """Whether the stored times have followed all jumps of the clock."""
        return self.clock.jumps == self._shifted

    def _gate(self) -> str | None:
        return None if self.ready else FIRST_LOOK

    def _close_gate(self) -> None:
        """Stop granting until the next look: the database is not the one that is known."""
        if self.ready:
            log.warning("The database was replaced by a copy; looking at the engine again.")
        self.ready = False
        self.untrusted_until = self.clock.monotonic()
        self._generation = -1
        self._basis = None
        self._usage_cache.clear()

    @contextmanager
    def _changing(self) -> Iterator[Transaction]:
        try:
            with super()._changing() as transaction:
                yield transaction
        except BaseException:
            self.epoch.failed()
            raise
        self.epoch.committed()

    def _begin(self, transaction: Transaction) -> UnitOfWork:
        work = super()._begin(transaction)
        if self.looked_for is not None:
            self.looked_for &= names_of(work.reading.readings)
        work.looked_for = self.looked_for
        return work

    def _follow_clock(self, seconds: float) -> None:
        super()._follow_clock(seconds)
        self._activity.shift_times(seconds)

    def _schedule(self, work: UnitOfWork, basis: DecisionBasis) -> DecisionBasis:
        """Decide again if need be, and return what the latest decision depends on."""
        if self._basis is not None and not basis.differs_from(self._basis):
            work.outcome.positions = self.positions
            return self._basis
        return_to_service(work, self._recovery)
        schedule(work)
        return replace(basis, cooling_down=any(x.cooling_down for x in work.device_health()))

    def _notify(self, outcome: Outcome) -> None:
        for lease_id in outcome.new_leases:
            self.process_state.note_grant(lease_id)
        former, self.positions = self.positions, outcome.positions
        for server in self.notifications.servers():
            answer = outcome.grants.get(server) or outcome.denials.get(server)
            if answer is not None or former.get(server) != outcome.positions.get(server):
                self.notifications.notify(server, answer)
