"""What servers ask for: requests made, awaited, changed and withdrawn."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from gpudock.broker.errors import RequestDenied
from gpudock.broker.queue import denial_of
from gpudock.broker.scheduling import TIMED_OUT, deny, kept_place, withdraw
from gpudock.broker.validation import is_storable
from gpudock.language import Message
from gpudock.model import Denial, Lease, LeaseState, QueuePosition
from gpudock.store import RequestState, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gpudock.broker.cycle import SchedulingCycle
    from gpudock.broker.unit_of_work import Outcome, UnitOfWork
    from gpudock.model import Request

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0


class Requests:
    """The requests of servers, one per server."""

    def __init__(self, cycle: SchedulingCycle) -> None:
        self._cycle = cycle
        # Servers that were given up, with the reason, while the database failed.
        self._given_up: dict[tuple[str, str], tuple[str, bool]] = {}
        # The id of the latest request that this process made for each server.
        self._latest: dict[tuple[str, str], str] = {}

    def submit(self, request: Request) -> Lease | QueuePosition | Denial:
        """Ask for a lease; repeating it changes nothing, as there is one request per server.

        * A server with a live lease gets that lease. While the container of its former lease is
          being stopped, the request waits.
        * A request that waits already takes the new options. It keeps its place unless it now
          asks for more devices or for another model or kind: then it goes to the end of the queue.
        * A request that reached the time-out and is made again within a week keeps its waiting
          time, unless it asks for more.
        * A request that is denied leaves the queue.

        ``when_busy`` takes effect at once, or at the first look at the engine, whichever is later.
        """
        if not is_storable(request):
            return Denial(
                "invalid",
                Message(
                    "The request contains text or numbers that cannot be stored. Check the names"
                    " and the options of the server."
                ),
            )

        def change(work: UnitOfWork) -> Outcome:
            live = work.transaction.leases.of_server(*server)
            if live is not None and live.state is LeaseState.STOPPING:
                live = None
            if live is not None and work.gate is None:
                work.outcome.grants[server] = live
            else:
                _enqueue(work, request, live)
            return work.outcome

        server = (request.user, request.server)
        outcome = self._cycle.run(change)
        self._given_up.pop(server, None)
        self._latest[server] = request.id
        if server in outcome.grants:
            self._cycle.process_state.claim(outcome.grants[server].id)
            return outcome.grants[server]
        return outcome.denials.get(server) or outcome.positions[server]

    async def acquire(self, request: Request) -> Lease:
        """Ask for a lease and wait until it is granted.

        A coroutine that is cancelled leaves the request in the queue, or the lease that it was
        granted at the same moment: call :meth:`give_up` if neither is needed. A database that fails
        while the request waits is waited for.

        Raises:
            RequestDenied: the request was denied, now or while it waited, or withdrawn.
            StoreError: the database failed before the request was made.
        """
        server = (request.user, request.server)
        with self._cycle.notifications.subscribe(server) as subscription:
            answer = self.submit(request)
            while isinstance(answer, QueuePosition):
                news = await subscription.next()
                if news is not None:
                    answer = news
                elif server not in self._cycle.positions:
                    # A database that was lost has lost the request as well.
                    answer = await self._submit_again(request)
        if isinstance(answer, Denial):
            raise RequestDenied(answer)
        self._cycle.process_state.claim(answer.id)
        return answer

    async def _submit_again(self, request: Request) -> Lease | QueuePosition | Denial:
        while True:
            try:
                return self.submit(request)
            except StoreError as error:
                log.warning("A request of %s waits for the database: %s", request.user, error)
            await asyncio.sleep(_RETRY_SECONDS)

    def position(self, user: str, server: str) -> QueuePosition | None:
        """Return where the request of a server stands; ``None`` when none waits."""
        return self._cycle.positions.get((user, server))

    async def positions(self, user: str, server: str) -> AsyncIterator[QueuePosition]:
        """Yield the position of a server's request now and at each change, until it is settled."""
        last: QueuePosition | None = None
        with self._cycle.notifications.subscribe((user, server)) as subscription:
            while (position := self.position(user, server)) is not None:
                if position != last:
                    last = position
                    yield position
                else:
                    await subscription.next()

    def withdraw(self, user: str, server: str) -> bool:
        """Remove the request of a server from the queue, and return whether one waited."""

        def change(work: UnitOfWork) -> bool:
            waiting = work.transaction.requests.waiting_of(user, server)
            if waiting is not None:
                withdraw(work, waiting)
            return waiting is not None

        return self._cycle.run(change)

    def give_up(
        self,
        user: str,
        server: str,
        reason: str,
        *,
        timed_out: bool = False,
        request_id: str | None = None,
    ) -> None:
        """Withdraw the request of a server, or end the lease that it was granted meanwhile.

        For a start that will not use its lease. A lease of which a container may have been made is
        left stopping, for the reconciler. If the database fails, :meth:`finish_giving_up` does it
        later; nothing is raised.

        Args:
            user: the server's user.
            server: the server.
            reason: why a lease ends, in a few words.
            timed_out: whether it has waited for too long. Its waiting time is then kept for when
                it is made again.
            request_id: what the start asked for. A start that ends late gives up nothing if the
                server was asked for again since, because that is the next start's.
        """
        if request_id is not None and self._latest.get((user, server), request_id) != request_id:
            return
        try:
            self._give_up(user, server, reason, timed_out=timed_out)
        except StoreError as error:
            log.warning("The request of %s is withdrawn later: %s", user, error)
            self._given_up[user, server] = reason, timed_out

    def finish_giving_up(self) -> None:
        """Give up what could not be given up while the database failed.

        Raises:
            StoreError: it still fails.
        """
        for (user, server), (reason, timed_out) in list(self._given_up.items()):
            self._give_up(user, server, reason, timed_out=timed_out)
            self._given_up.pop((user, server), None)

    def _give_up(self, user: str, server: str, reason: str, *, timed_out: bool) -> None:
        process_state = self._cycle.process_state

        def change(work: UnitOfWork) -> str | None:
            waiting = work.transaction.requests.waiting_of(user, server)
            if waiting is not None:
                withdraw(work, waiting, TIMED_OUT if timed_out else None)
            lease = work.transaction.leases.of_server(user, server)
            if lease is None or lease.state is not LeaseState.GRANTED:
                return None
            if process_state.is_own(lease.id) and not process_state.get(lease.id).begun:
                work.transaction.leases.end(lease, reason, work.now)
                return lease.id
            work.transaction.leases.set_state(lease.id, LeaseState.STOPPING, reason)
            return None

        ended = self._cycle.run(change)
        if ended is not None:
            process_state.end(ended)

    def set_groups(self, user: str, server: str, groups: tuple[str, ...]) -> None:
        """Set the present groups of a user whose server waits; the request keeps its place.

        If it is beyond the limits of these groups, it is denied as if it were made now.
        """

        def change(work: UnitOfWork) -> None:
            waiting = work.transaction.requests.waiting_of(user, server)
            if waiting is not None and waiting.request.groups != groups:
                request = replace(waiting.request, groups=groups)
                work.transaction.requests.update(waiting.sequence, request)

        self._cycle.run(change)

    def to_resume(self) -> list[Request]:
        """Return the requests that no coroutine of this process waits for, by arrival.

        After a restart these are the servers to start again: those that wait, and those that were
        granted a lease that nobody has claimed. Such a lease ends after ``claim_seconds`` unless it
        is asked for by then, and its request has its old place in the queue again.
        """
        with self._cycle.store.snapshot() as transaction:
            unclaimed = [
                lease.id
                for lease in transaction.leases.live()
                if lease.state is LeaseState.GRANTED
                and not self._cycle.process_state.get(lease.id).claimed
            ]
            found = [*transaction.requests.of_leases(unclaimed), *transaction.requests.waiting()]
        awaited = {*self._cycle.notifications.servers(), *self._given_up}
        return [
            item.request
            for item in sorted(found, key=lambda item: item.sequence)
            if (item.request.user, item.request.server) not in awaited
        ]


def _enqueue(work: UnitOfWork, request: Request, live: Lease | None) -> None:
    """Put *request* into the queue, or deny it and remove what waits for its server.

    Args:
        work: the unit of work.
        request: the request.
        live: the lease that its server has; nothing is denied then.
    """
    requests = work.transaction.requests
    waiting = requests.waiting_of(request.user, request.server)
    denial = denial_of(work, request) if live is None else None
    if denial is not None:
        if waiting is not None:
            deny(work, waiting, denial)
        work.outcome.denials[request.user, request.server] = denial
    elif waiting is None:
        _add(work, request, live)
    elif _asks_no_more(request, waiting.request):
        if replace(request, id="", created_at=0) != replace(waiting.request, id="", created_at=0):
            requests.update(waiting.sequence, request)
    else:
        requests.settle(waiting.sequence, RequestState.WITHDRAWN)
        requests.add(request)


def _add(work: UnitOfWork, request: Request, live: Lease | None) -> None:
    """Put *request* at the end of the queue, or at its old place.

    It has one if the time-out removed it, and if it was granted a lease that may turn out to have
    come to nothing, because a former process ended before the server began.
    """
    requests = work.transaction.requests
    if live is not None and live.state is LeaseState.GRANTED:
        for item in requests.of_leases([live.id]):
            if _asks_no_more(request, item.request):
                requests.settle(item.sequence, RequestState.WAITING)
                requests.update(item.sequence, request)
                return
    kept = kept_place(work, request.user, request.server)
    if kept is None or kept.settled_at is None or not _asks_no_more(request, kept.request):
        requests.add(request)
        return
    requests.settle(kept.sequence, RequestState.WAITING)
    requests.update(kept.sequence, request)
    # The time in which it did not wait does not count.
    waited = max(0.0, kept.settled_at - kept.request.created_at)
    requests.set_created_at({kept.sequence: work.now - waited})


def _asks_no_more(new: Request, old: Request) -> bool:
    return (
        new.gpus <= old.gpus and new.gpu_model in (old.gpu_model, None) and new.share is old.share
    )
