"""The broker's desk: sessions and the queue, as their users and administrators deal with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpudock.broker.errors import ExtensionRefused
from gpudock.broker.transactions import Core
from gpudock.broker.unit_of_work import WITHDRAWN
from gpudock.model import LeaseState, QueuePosition
from gpudock.policy import sessions
from gpudock.policy.scheduling.decide import decide
from gpudock.store import RequestState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from gpudock.broker.unit_of_work import Lab
    from gpudock.model import Lease, Request
    from gpudock.policy.sessions import Session

_MOST_HOURS = 1_000_000
_LIVE = (LeaseState.GRANTED, LeaseState.ACTIVE)


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A request that waits, and where it stands."""

    request: Request
    place: QueuePosition


class Desk(Core):
    """Sessions and the queue."""

    # Sessions.

    def sessions(self, user: str | None = None) -> list[Session]:
        """Return the live sessions, the oldest first; with *user* only that user's."""
        with self._reading_lab() as lab:
            leases = lab.transaction.live_leases()
            if user is not None:
                leases = [lease for lease in leases if lease.user == user]
            return lab.sessions(self._as_seen(leases, lab))

    def session(self, lease_id: str) -> Session | None:
        """Return the live session of a lease; ``None`` when the lease has ended, or never was."""
        with self._reading_lab() as lab:
            return self._session(lab, lease_id)

    def _session(self, lab: Lab, lease_id: str) -> Session | None:
        lease = lab.transaction.lease(lease_id)
        if lease is None or lease.state is LeaseState.ENDED:
            return None
        return lab.sessions(self._as_seen([lease], lab))[0]

    def _as_seen(self, leases: list[Lease], lab: Lab) -> list[Lease]:
        """Return leases with all that this process knows of them."""
        return leases if self._watching else self._watch.seen(leases, lab.now)

    def extend(
        self,
        lease_id: str,
        by: str,
        hours: float | None = None,
        groups_of: Mapping[str, Iterable[str]] | None = None,
    ) -> Session:
        """Let a session last longer, as far as its user's limits allow.

        Args:
            lease_id: whose.
            by: who asks for it, for the audit trail.
            hours: by how much; ``None``: by the usual length of a session, or else by as much as
                the limits allow.
            groups_of: user to the groups that they are in by now; of others it is taken that they
                are in those of their lease.

        Returns:
            The session as it is now.

        Raises:
            ExtensionRefused: there is no such session, or nothing can be gained.
        """
        if hours is not None and not 0 < hours <= _MOST_HOURS:  # refuses NaN as well
            raise ExtensionRefused(
                f"The hours of an extension are a number more than 0 and at most {_MOST_HOURS}."
            )
        with self._change() as lab:
            found = lab.transaction.lease(lease_id)
            if found is None or found.state is LeaseState.ENDED:
                raise ExtensionRefused("The session is over, or there never was one of this id.")
            (lease,) = self._as_seen([found], lab)
            limits = lab.limits
            effective = limits.of(lease.user, (groups_of or {}).get(lease.user, lease.groups))
            extended = sessions.extend(lease, effective, limits.accounts([lease]), hours)
            if isinstance(extended, str):
                raise ExtensionRefused(extended)
            lab.transaction.save_terms(extended)
            lab.transaction.record(
                by, "lease.extend", lease_id, found.expires_at, extended.expires_at
            )
            if not self._watching:
                self._watch.touch(lease_id, lab.now)
            (session,) = lab.sessions([extended])
        return session

    def release(self, lease_id: str, by: str, reason: str) -> bool:
        """Let a session end soon; its devices stay taken until its container's end is proven.

        The hub stops the container within seconds of seeing this.

        Args:
            lease_id: whose.
            by: who wants it, for the audit trail.
            reason: a few words that complete «the session ended because …».

        Returns:
            Whether there was a session to end. One that is ending already is left as it is.
        """
        with self._change() as lab:
            lease = lab.transaction.lease(lease_id)
            if lease is None or lease.state is LeaseState.ENDED:
                return False
            if lease.state in _LIVE:
                lab.transaction.set_lease_state(lease_id, LeaseState.STOPPING, reason)
                lab.transaction.record(by, "lease.release", lease_id, lease.state.value, reason)
        return True

    def due(self, now: float | None = None) -> list[Session]:
        """Return the sessions that are to end now. Only the hub asks; see :meth:`expire`.

        Args:
            now: a moment (Unix time) in place of the present one.
        """
        moment = self._memory.steady() if now is None else now
        # After the clock was set nobody's time is up before it has been moved along.
        if not self._ready or self._memory.jumps != self._moved:
            return []
        return [
            session
            for session in self.sessions()
            if session.ends_at is not None and session.ends_at <= moment
        ]

    def expire(self, lease_id: str) -> str | None:
        """Mark the lease of a session as stopping, if the session is to end now.

        Whether it is, is looked at once more: it may have been extended meanwhile.

        Returns:
            Why it ends, in a few words; ``None`` when it does not.
        """
        with self._lab() as lab:
            session = self._session(lab, lease_id)
            if session is None or session.ends_at is None or session.ends_at > lab.now:
                return None
            lab.transaction.set_lease_state(lease_id, LeaseState.STOPPING, session.reason)
        return session.reason

    def history(
        self, users: Collection[str] | None = None, offset: int = 0, limit: int = 100
    ) -> tuple[list[Lease], int]:
        """Return a page of the leases that have ended, the latest first, and how many there are.

        Args:
            users: whose; ``None``: everybody's.
            offset: how many to leave out.
            limit: how many to return at most.
        """
        with self._store.snapshot() as transaction:
            return transaction.history(users, offset, limit)

    # The queue.

    def queue(self) -> list[QueueEntry]:
        """Return the requests that wait, the next one first."""
        with self._reading_lab() as lab:
            requests = {item.request.id: item.request for item in lab.transaction.waiting()}
            if not requests:
                return []
            decision = decide(lab.snapshot(), lab.terms.ordering)
        # Who would be granted something in this moment is so by the hub's next look.
        first = [QueuePosition(0, 0, "It starts in a moment.", lab.now) for _ in decision.grants]
        entries = [
            QueueEntry(grant.request, place)
            for grant, place in zip(decision.grants, first, strict=True)
        ]
        entries += [
            QueueEntry(requests[request_id], QueuePosition(0, 0, denial.message))
            for request_id, denial in decision.refusals.items()
        ]
        entries += [
            QueueEntry(requests[request_id], place) for request_id, place in decision.places.items()
        ]
        return [
            QueueEntry(entry.request, entry.place._replace(position=number, length=len(entries)))
            for number, entry in enumerate(entries, start=1)
        ]

    def cancel(self, request_id: str, by: str) -> bool:
        """Take a request out of the queue, whoever made it; tell whether it was there."""
        with self._change() as lab:
            item = next(
                (item for item in lab.transaction.waiting() if item.request.id == request_id), None
            )
            if item is None:
                return False
            request = item.request
            lab.transaction.settle_request(item.sequence, RequestState.WITHDRAWN)
            lab.outcome.refusals[request.user, request.server] = WITHDRAWN
            if by != request.user:
                target = f"{request.user}/{request.server}"
                lab.transaction.record(by, "queue.cancel", target, request.id, None)
        return True
