"""Leases: looked up in any process; begun, bound and ended by the hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gpudock.broker.cycle import FIRST_LOOK
from gpudock.broker.deliveries import Deliveries
from gpudock.broker.errors import LeaseConflictError
from gpudock.language import Message
from gpudock.model import Lease, LeaseState, WhenBusy
from gpudock.store import RequestState, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gpudock.broker.cycle import SchedulingCycle
    from gpudock.broker.transactions import Transactions
    from gpudock.broker.unit_of_work import UnitOfWork
    from gpudock.model import GPU, DeliveryFailure
    from gpudock.store import LeaseFilter

T = TypeVar("T")

_LOST = Message("The lease is not in the database any more. Start the server again.")


class LeaseRecords:
    """The leases as they are stored."""

    def __init__(self, transactions: Transactions) -> None:
        self._store = transactions.store

    def get(self, lease_id: str) -> Lease | None:
        """Return a lease, live or ended; ``None`` when there is none of that id."""
        with self._store.snapshot() as transaction:
            return transaction.leases.get(lease_id)

    def of_server(self, user: str, server: str) -> Lease | None:
        """Return the lease of a server that has not ended."""
        with self._store.snapshot() as transaction:
            return transaction.leases.of_server(user, server)

    def latest_of_server(self, user: str, server: str) -> Lease | None:
        """Return the lease that a server was granted last, live or ended."""
        with self._store.snapshot() as transaction:
            return transaction.leases.latest_of_server(user, server)

    def live(self) -> list[Lease]:
        """Return the leases that have not ended, oldest first."""
        with self._store.snapshot() as transaction:
            return transaction.leases.live()

    def all(self) -> list[Lease]:
        """Return all leases, oldest first."""
        with self._store.snapshot() as transaction:
            return transaction.leases.all()

    def history(
        self, users: Collection[str] | None = None, offset: int = 0, limit: int = 100
    ) -> tuple[list[Lease], int]:
        """Return a page of the leases that have ended, the latest first, and their number.

        Args:
            users: whose; ``None``: everybody's.
            offset: how many to skip.
            limit: how many to return at most.
        """
        with self._store.snapshot() as transaction:
            return transaction.leases.history(users, offset, limit)

    def page(
        self, wanted: LeaseFilter, offset: int = 0, limit: int = 100
    ) -> tuple[list[Lease], int, dict[str, GPU]]:
        """Return a page of leases, live and ended, the latest grant first.

        Args:
            wanted: which leases.
            offset: how many to skip.
            limit: how many to return at most.

        Returns:
            The leases, how many there are on all pages, and the lab's devices by UUID.
        """
        with self._store.snapshot() as transaction:
            leases, total = transaction.leases.page(wanted, offset, limit)
            devices = {item.gpu.uuid: item.gpu for item in transaction.gpus.records()}
        return leases, total, devices


class Leases(LeaseRecords):
    """The leases, and the making and ending of their containers."""

    def __init__(self, cycle: SchedulingCycle) -> None:
        super().__init__(cycle)
        self._cycle = cycle
        self._process_state = cycle.process_state
        self._deliveries = Deliveries()

    def begin_container(self, lease_id: str) -> None:
        """Announce that a container is about to be made for a lease.

        Until :meth:`finish_container` no reconciliation touches the lease.

        Raises:
            LeaseConflictError: no container may be made for the lease now.
        """
        if not self._cycle.ready:
            raise LeaseConflictError(FIRST_LOOK)
        with self._store.snapshot() as transaction:
            lease = transaction.leases.get(lease_id)
            replaced = self._cycle.is_replaced(transaction)
        if lease is None or replaced:
            raise LeaseConflictError(_LOST)
        if lease.state is not LeaseState.GRANTED or self.is_starting(lease_id):
            raise LeaseConflictError(
                Message("The lease {id} has its container, or has had it.", id=lease_id)
            )
        self._process_state.begin(lease_id)

    def finish_container(self, lease_id: str) -> None:
        """Announce that the start of a lease's container is over, one way or the other."""
        self._process_state.finish(lease_id)

    def is_starting(self, lease_id: str) -> bool:
        """Return whether this process is between begin and finish for a lease."""
        return self._process_state.get(lease_id).in_flight

    def was_begun(self, lease_id: str) -> bool:
        """Return whether a container may have been made for a lease.

        Only for a lease that this process itself granted and never began is it certain that none
        was.
        """
        return not self._process_state.is_own(lease_id) or self._process_state.get(lease_id).begun

    def bind(self, lease_id: str, container_id: str) -> None:
        """Tie a lease to the container that was created for it, before that is started.

        Raises:
            LeaseConflictError: the lease is ending, or has another container. The container must
                not be started.
        """

        def change(work: UnitOfWork) -> str | None:
            lease = work.transaction.leases.get(lease_id)
            conflict = _binding_conflict(lease, container_id)
            if lease is not None and lease.state is not LeaseState.ENDED:
                # Even in a conflict: whose container it is must be known to prove its end.
                if lease.container_id is None:
                    work.transaction.leases.bind(lease_id, container_id)
                if conflict is None and lease.state is LeaseState.GRANTED:
                    work.transaction.leases.set_state(lease_id, LeaseState.ACTIVE)
            return conflict

        conflict = self._cycle.run(change)
        if conflict is not None:
            raise LeaseConflictError(conflict)
        self._process_state.touch(lease_id)

    def stop(self, lease_id: str, reason: str) -> None:
        """Announce that a lease is to end; its devices stay taken until the end is proven.

        If the database fails, :meth:`gpudock.broker.broker.Broker.reconcile` does it later.
        """

        def change(work: UnitOfWork) -> None:
            lease = work.transaction.leases.get(lease_id)
            if lease is not None:
                _stop(work, lease, reason)

        self._run_stop(lease_id, reason, change)

    def delivered(self, lease: Lease) -> None:
        """Announce that the engine gave a container the devices of *lease*."""
        self._deliveries.succeeded(lease.gpu_uuids)

    def not_delivered(self, lease_id: str, reason: str, failure: DeliveryFailure) -> bool:
        """Announce that a lease is to end because the engine cannot deliver its devices.

        Devices that speak for themselves as the cause go out of service before anybody else is
        granted them (see ``gpudock.policy.delivery``). A request that waits when the lab is busy
        has its old place in the queue again, and gets other devices when the lease has ended.

        Args:
            lease_id: the lease.
            reason: why it ends, in a few words.
            failure: what the engine said.

        Returns:
            Whether the server may ask for another lease: this one was not to end for another
            reason.
        """

        def change(work: UnitOfWork) -> bool:
            lease = work.transaction.leases.get(lease_id)
            if lease is None or lease.state is LeaseState.ENDED:
                return False
            self._deliveries.failed(work, lease, failure)
            goes_on = _stop(work, lease, reason)
            if goes_on:
                _queue_again(work, lease)
            return goes_on

        return self._run_stop(lease_id, reason, change)

    def _run_stop(self, lease_id: str, reason: str, change: Callable[[UnitOfWork], T]) -> T:
        """Run a change that marks a lease as stopping; remember it if the database fails."""
        try:
            return self._cycle.run(change)
        except StoreError:
            self._process_state.doom(lease_id, reason)
            raise

    def end(self, lease_id: str, reason: str) -> None:
        """End a lease and grant its devices to the next requests.

        The caller has proof: the lease's very container is gone or has exited; or none was made,
        and none is being made. Ending a lease that has ended does nothing.
        """

        def change(work: UnitOfWork) -> bool:
            lease = work.transaction.leases.get(lease_id)
            if lease is None or lease.state is LeaseState.ENDED:
                return False
            work.transaction.leases.end(lease, reason, work.now)
            return True

        if self._cycle.run(change):
            self._process_state.end(lease_id)


def _stop(work: UnitOfWork, lease: Lease, reason: str) -> bool:
    """Mark a lease as stopping; return whether it was not about to end anyway."""
    ends = lease.state not in (LeaseState.GRANTED, LeaseState.ACTIVE)
    if not ends:
        work.transaction.leases.set_state(lease.id, LeaseState.STOPPING, reason)
    return not ends


def _queue_again(work: UnitOfWork, lease: Lease) -> None:
    """Give the request of a lease its old place back, if it is one that waits."""
    requests = work.transaction.requests
    for item in requests.of_leases([lease.id]):
        if item.request.when_busy is WhenBusy.WAIT and (
            requests.waiting_of(lease.user, lease.server) is None
        ):
            requests.settle(item.sequence, RequestState.WAITING)


def _binding_conflict(lease: Lease | None, container_id: str) -> str | None:
    if lease is None:
        return _LOST
    if lease.state in (LeaseState.STOPPING, LeaseState.ENDED):
        return Message(
            "The lease {id} is over ({reason}). Start the server again.",
            id=lease.id,
            reason=lease.end_reason,
        )
    if lease.container_id not in (None, container_id):
        return Message("The lease {id} has another container already.", id=lease.id)
    return None
