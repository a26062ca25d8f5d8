"""The queue as people see it, and what asking for a lease would come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpudock.broker.scheduling import withdraw
from gpudock.language import Message
from gpudock.model import QueuePosition
from gpudock.policy.admission import refuse
from gpudock.policy.scheduling.decide import Grant, decide

if TYPE_CHECKING:
    from gpudock.broker.transactions import Transactions
    from gpudock.broker.unit_of_work import UnitOfWork
    from gpudock.model import Denial, Request


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A waiting request, and where it stands."""

    request: Request
    place: QueuePosition


class Queue:
    """The waiting requests."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def waiting(self) -> list[Request]:
        """Return all waiting requests, in the order of arrival."""
        with self._transactions.store.snapshot() as transaction:
            return [item.request for item in transaction.requests.waiting()]

    def entries(self) -> list[QueueEntry]:
        """Return the waiting requests with their positions, the next one first."""
        with self._transactions.reading() as work:
            requests = {
                item.request.id: item.request for item in work.transaction.requests.waiting()
            }
            if not requests:
                return []
            decision = decide(work.snapshot(), work.config.ordering)
        # What could be granted or denied now will be, by the hub's next cycle.
        entries = [
            (grant.request, QueuePosition(0, 0, Message("It is about to start."), work.now))
            for grant in decision.grants
        ]
        entries += [
            (requests[key], QueuePosition(0, 0, denial.message))
            for key, denial in decision.refusals.items()
        ]
        entries += [(requests[key], position) for key, position in decision.places.items()]
        return [
            QueueEntry(request, position._replace(position=number, length=len(entries)))
            for number, (request, position) in enumerate(entries, start=1)
        ]

    def cancel(self, request_id: str, by: str) -> bool:
        """Remove a request from the queue.

        Args:
            request_id: which.
            by: the user who does so, for the audit trail.

        Returns:
            Whether it was in the queue.
        """

        def change(work: UnitOfWork) -> bool:
            item = next(
                (x for x in work.transaction.requests.waiting() if x.request.id == request_id),
                None,
            )
            if item is None:
                return False
            withdraw(work, item)
            request = item.request
            if by != request.user:
                target = f"{request.user}/{request.server}"
                work.transaction.audit.record(by, "queue.cancel", target, request.id, None)
            return True

        return self._transactions.run(change)

    def denial(self, request: Request) -> Denial | None:
        """Return why a request would be denied however long it waited, without making it.

        ``None``: it would not be, or its server waits for a lease already.
        """
        with self._transactions.reading() as work:
            if work.transaction.requests.waiting_of(request.user, request.server) is not None:
                return None
            return denial_of(work, request)

    def forecast(self, request: Request) -> Grant | QueuePosition | Denial:
        """Return what a request would come to now, without making it."""
        with self._transactions.reading() as work:
            ordering = work.config.ordering
            waiting = work.transaction.requests.waiting_of(request.user, request.server)
            if waiting is not None:
                return decide(work.snapshot(), ordering).outcome(waiting.request)
            snapshot = work.snapshot(extra=request)
            effective = work.effective(request.user, request.groups)
        denial = refuse(request, effective, snapshot)
        return denial or decide(snapshot, ordering).outcome(request)


def denial_of(work: UnitOfWork, request: Request) -> Denial | None:
    """Return why a request is denied however long it would wait; the queue does not matter."""
    effective = work.effective(request.user, request.groups)
    return refuse(request, effective, work.snapshot(queue=False))
