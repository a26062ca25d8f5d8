"""The broker: the one place that grants GPUs, queues requests, and takes GPUs back.

What its callers owe it, in the order of a server's life:

1. :meth:`Broker.acquire` (or :meth:`Broker.submit`) gives a lease that is already committed.
2. :meth:`Broker.begin_container` before anything is asked of the engine,
   :meth:`Broker.bind` with the container's id between its creation and its start,
   :meth:`Broker.finish_container` when the start is over, one way or the other.
3. :meth:`Broker.stop` before the container is stopped, :meth:`Broker.end` only with proof that it
   is gone or has exited.

``gpudock.hub.lifecycle`` does 2 and 3. :meth:`Broker.reconcile` has to be called with every
complete look at the engine (until the first one nothing is granted), and :meth:`Broker.tick` with
every new reading of the devices.

Calls are short transactions and block; only :meth:`Broker.acquire` and
:meth:`Broker.place_changes` wait. Every call raises :class:`gpudock.store.StoreError` when the
database fails, and has then changed nothing; :meth:`Broker.tick` logs it instead.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from gpudock.broker.errors import Denied, LeaseConflict
from gpudock.broker.gpus import Office
from gpudock.broker.quotas import QuotaOffice
from gpudock.broker.reconcile import Action, Comparison
from gpudock.broker.sessions import Desk
from gpudock.broker.transactions import FIRST_LOOK
from gpudock.broker.unit_of_work import WITHDRAWN, Lab
from gpudock.broker.usage import Books
from gpudock.broker.validation import writable
from gpudock.model import Denial, Lease, LeaseState, QueuePosition
from gpudock.policy.scheduling.decide import Grant, decide, refuse
from gpudock.store import RequestState, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gpudock.model import Observation, Request

log = logging.getLogger(__name__)


class Broker(Office, QuotaOffice, Desk, Books):
    """Grants GPUs as leases; see the module's text for what callers owe."""

    # Requests.

    def submit(self, request: Request) -> Lease | QueuePosition | Denial:
        """Ask for a lease; repeat it as often as you like, it is one request per server.

        * A server with a live lease gets that lease as it is. While the container of its former
          lease is still being stopped, the request waits.
        * A request that waits already takes the new options. It keeps its place unless it now
          asks for more devices or for another model or kind: then it goes to the end of the queue.
        * A request that is refused leaves the queue.

        ``when_busy`` is honoured at once, or at the first look at the engine, whichever is later.
        """
        key = (request.user, request.server)
        if not writable(request):
            return Denial(
                "invalid",
                "The request contains text or numbers that cannot be stored. Check the names and"
                " the options of the server.",
            )
        with self._lab() as lab:
            denial = None
            live = lab.transaction.live_lease(*key)
            if lab.gate is None and live is not None and live.state is not LeaseState.STOPPING:
                lab.outcome.grants[key] = live
            else:
                denial = self._enqueue(lab, request, live)
        outcome = lab.outcome
        if denial is not None:
            return denial
        if key in outcome.grants:
            self._memory.claimed(outcome.grants[key].id)
            return outcome.grants[key]
        return outcome.refusals.get(key) or outcome.places[key]

    def _enqueue(self, lab: Lab, request: Request, live: Lease | None) -> Denial | None:
        """Put *request* into the queue, or refuse it and take what waits for its server out."""
        waiting = lab.transaction.waiting_request(request.user, request.server)
        if live is None or live.state is LeaseState.STOPPING:
            denial = _denial(lab, request)
            if denial is not None:
                if waiting is not None:
                    lab.transaction.settle_request(
                        waiting.sequence, RequestState.DENIED, message=denial.message
                    )
                lab.outcome.refusals[request.user, request.server] = denial
                return denial
        if waiting is None:
            lab.transaction.add_request(request)
        elif _asks_no_more(request, waiting.request):
            if replace(request, id="", created_at=0) != replace(
                waiting.request, id="", created_at=0
            ):
                lab.transaction.change_request(waiting.sequence, request)
        else:
            lab.transaction.settle_request(waiting.sequence, RequestState.WITHDRAWN)
            lab.transaction.add_request(request)
        return None

    async def acquire(self, request: Request) -> Lease:
        """Ask for a lease and wait until it is granted.

        A coroutine that is cancelled leaves the request in the queue: withdraw it if the wish is
        gone. The grant may have come in the same moment: look for a live lease in state GRANTED
        then, and terminate it.

        Raises:
            Denied: the request was refused, now or while it waited, or taken out of the queue.
        """
        key = (request.user, request.server)
        with self._signals.expect(key) as mailbox:
            answer = self.submit(request)
            while isinstance(answer, QueuePosition):
                news = await mailbox.next()
                if news is not None:
                    answer = news
                elif key not in self._places:
                    # A database that was lost has lost the request as well: ask again.
                    answer = self.submit(request)
        if isinstance(answer, Denial):
            raise Denied(answer)
        self._memory.claimed(answer.id)
        return answer

    def place(self, user: str, server: str) -> QueuePosition | None:
        """Return where the request of a server stands; ``None`` when none waits."""
        return self._places.get((user, server))

    async def place_changes(self, user: str, server: str) -> AsyncIterator[QueuePosition]:
        """Yield the place of a server's request now and at each change, until it is settled."""
        key = (user, server)
        last: QueuePosition | None = None
        with self._signals.expect(key) as mailbox:
            while (place := self._places.get(key)) is not None:
                if place != last:
                    last = place
                    yield place
                else:
                    await mailbox.next()

    def withdraw(self, user: str, server: str) -> bool:
        """Take the request of a server out of the queue; tell whether one was there."""
        with self._lab() as lab:
            waiting = lab.transaction.waiting_request(user, server)
            if waiting is not None:
                lab.transaction.settle_request(waiting.sequence, RequestState.WITHDRAWN)
                lab.outcome.refusals[user, server] = WITHDRAWN
        return waiting is not None

    def regroup(self, user: str, server: str, groups: tuple[str, ...]) -> None:
        """Note which groups a user is in by now whose server waits; it keeps its place.

        What it waits for may be beyond the limits then: it is refused as if it asked now.
        """
        with self._lab() as lab:
            waiting = lab.transaction.waiting_request(user, server)
            if waiting is not None and waiting.request.groups != groups:
                request = replace(waiting.request, groups=groups)
                lab.transaction.change_request(waiting.sequence, request)

    def waiting(self) -> list[Request]:
        """Return all waiting requests, in the order of arrival."""
        with self._store.snapshot() as transaction:
            return [item.request for item in transaction.waiting()]

    def to_resume(self) -> list[Request]:
        """Return the requests that nobody in this process waits for, in the order of arrival.

        After a restart these are the servers to start again: those that wait, and those that were
        granted a lease while nobody waited for it. Such a lease ends after ``claim_seconds``
        unless somebody asks for it by then.
        """
        with self._store.snapshot() as transaction:
            unclaimed = [
                lease.id
                for lease in transaction.live_leases()
                if lease.state is LeaseState.GRANTED and not self._memory.is_claimed(lease.id)
            ]
            found = [*transaction.requests_of_leases(unclaimed), *transaction.waiting()]
        awaited = set(self._signals.servers())
        return [
            item.request
            for item in sorted(found, key=lambda item: item.sequence)
            if (item.request.user, item.request.server) not in awaited
        ]

    def refusal(self, request: Request) -> Denial | None:
        """Tell why asking for a lease now would be refused however long one waits, without asking.

        ``None``: it would not be, or the server waits for one already.
        """
        with self._reading_lab() as lab:
            if lab.transaction.waiting_request(request.user, request.server) is not None:
                return None
            return _denial(lab, request)

    def forecast(self, request: Request) -> Grant | QueuePosition | Denial:
        """Tell what asking for a lease now would come to, without asking."""
        with self._reading_lab() as lab:
            waiting = lab.transaction.waiting_request(request.user, request.server)
            if waiting is not None:
                return decide(lab.snapshot(), self._terms.ordering).outcome(waiting.request)
            snapshot = lab.snapshot(extra=request)
            effective = lab.effective(request.user, request.groups)
        denial = refuse(request, effective, snapshot)
        return denial or decide(snapshot, self._terms.ordering).outcome(request)

    # Leases.

    def begin_container(self, lease_id: str) -> None:
        """Announce that a container is about to be made for a lease.

        Until :meth:`finish_container` no reconciliation touches the lease.

        Raises:
            LeaseConflict: the lease is not one that a container may be made for now.
        """
        if not self._ready:
            raise LeaseConflict(FIRST_LOOK)
        with self._store.snapshot() as transaction:
            lease = transaction.lease(lease_id)
            replaced = transaction.generation < self._generation
        if lease is None or replaced:
            raise LeaseConflict(
                "The lease is not in the database any more. Start the server again."
            )
        if lease.state is not LeaseState.GRANTED or self._memory.is_in_flight(lease_id):
            raise LeaseConflict(f"The lease {lease_id} has its container, or has had it.")
        self._memory.begun(lease_id)

    def finish_container(self, lease_id: str) -> None:
        """Announce that the start of a lease's container is over, one way or the other."""
        self._memory.finished(lease_id)

    def is_starting(self, lease_id: str) -> bool:
        """Tell whether this process is between begin and finish for a lease."""
        return self._memory.is_in_flight(lease_id)

    def was_begun(self, lease_id: str) -> bool:
        """Tell whether a container may have been made for a lease.

        Only for a lease that this process itself granted and never began is it certain that none
        was.
        """
        return not self._memory.is_own(lease_id) or self._memory.has_begun(lease_id)

    def bind(self, lease_id: str, container_id: str) -> None:
        """Tie a lease to the container that was created for it, before that is started.

        Raises:
            LeaseConflict: the lease is ending, or has another container. The container must not
                be started.
        """
        with self._lab() as lab:
            lease = lab.transaction.lease(lease_id)
            conflict = _why_not_bind(lease, container_id)
            if lease is not None and lease.state is not LeaseState.ENDED:
                if lease.container_id is None:
                    lab.transaction.bind_lease(lease_id, container_id)
                if conflict is None and lease.state is LeaseState.GRANTED:
                    lab.transaction.set_lease_state(lease_id, LeaseState.ACTIVE)
        if conflict is not None:
            raise LeaseConflict(conflict)
        self._memory.touched(lease_id)

    def stop(self, lease_id: str, reason: str) -> None:
        """Announce that a lease is to end; its devices stay taken until the end is proven.

        If the database fails, the wish is remembered and carried out by :meth:`reconcile`.
        """
        try:
            with self._lab() as lab:
                lease = lab.transaction.lease(lease_id)
                if lease is not None and lease.state in (LeaseState.GRANTED, LeaseState.ACTIVE):
                    lab.transaction.set_lease_state(lease_id, LeaseState.STOPPING, reason)
        except StoreError:
            self._memory.doom(lease_id, reason)
            raise

    def end(self, lease_id: str, reason: str) -> None:
        """End a lease and grant its devices to whoever is next.

        The caller has proof: the lease's very container is gone or has exited; or none was made,
        and nobody is making one. Ending a lease that has ended does nothing.
        """
        with self._lab() as lab:
            lease = lab.transaction.lease(lease_id)
            ends = lease is not None and lease.state is not LeaseState.ENDED
            if lease is not None and ends:
                lab.transaction.end_lease(lease, reason, lab.now)
        if ends:
            self._memory.ended(lease_id)

    def lease(self, lease_id: str) -> Lease | None:
        """Return a lease, live or ended; ``None`` when there is none of that id."""
        with self._store.snapshot() as transaction:
            return transaction.lease(lease_id)

    def live_lease(self, user: str, server: str) -> Lease | None:
        """Return the lease of a server that has not ended."""
        with self._store.snapshot() as transaction:
            return transaction.live_lease(user, server)

    def leases(self, live_only: bool = True) -> list[Lease]:
        """Return the leases, oldest first."""
        with self._store.snapshot() as transaction:
            return transaction.live_leases() if live_only else transaction.all_leases()

    # The engine and the devices.

    def reconcile(self, observation: Observation) -> list[Action]:
        """Make the leases agree with one complete look at the engine.

        Returns what is to be done at the engine (see ``gpudock.hub.lifecycle.perform``); the next
        look proves its effect. The first call opens the lab for grants. Repeating a call with
        the same observation changes nothing more.
        """
        with self._lab() as lab:
            # A look that began before the database was found replaced says nothing about it.
            looked = observation.started_at > self._trusted_from
            comparison = Comparison(lab, self._memory, observation)
            if looked:
                comparison.run()
                lab.gate = None
        for lease_id in comparison.findings.ended:
            self._memory.ended(lease_id)
        self._ready = self._ready or looked
        return comparison.findings.actions

    def tick(self) -> None:
        """Grant what can be granted now. A database that fails is logged, not raised."""
        try:
            with self._lab():
                pass
        except StoreError as error:
            if str(error) != self._problem:
                log.error("Nothing can be granted: %s", error)
            self._problem = str(error)
        else:
            self._problem = None


def _why_not_bind(lease: Lease | None, container_id: str) -> str | None:
    if lease is None:
        return "The lease is not in the database any more. Start the server again."
    if lease.state in (LeaseState.STOPPING, LeaseState.ENDED):
        return f"The lease {lease.id} is over ({lease.end_reason}). Start the server again."
    if lease.container_id not in (None, container_id):
        return f"The lease {lease.id} has another container already."
    return None


def _asks_no_more(new: Request, old: Request) -> bool:
    return (
        new.gpus <= old.gpus and new.gpu_model in (old.gpu_model, None) and new.share is old.share
    )


def _denial(lab: Lab, request: Request) -> Denial | None:
    """Tell why *request* is refused however long it would wait; the queue has no say in that."""
    effective = lab.effective(request.user, request.groups)
    return refuse(request, effective, lab.snapshot(queue=False))
