"""Sessions: what is left of them, how they are extended, and when they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.broker.errors import ExtensionError
from gpudock.language import Message
from gpudock.model import LeaseState
from gpudock.policy import sessions
from gpudock.policy.quota.gpu_hours import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gpudock.broker.cycle import SchedulingCycle
    from gpudock.broker.transactions import Transactions
    from gpudock.broker.unit_of_work import UnitOfWork
    from gpudock.policy.sessions import Session

_MAX_HOURS = 1_000_000

# The extensions that a program makes within this time are one entry in the audit trail.
_SPAN_SECONDS = HOUR


class Sessions:
    """The live sessions."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def live(self, user: str | None = None) -> list[Session]:
        """Return the live sessions, the oldest first; with *user* only that user's."""
        with self._transactions.reading() as work:
            leases = work.transaction.leases.live()
            if user is not None:
                leases = [lease for lease in leases if lease.user == user]
            return work.sessions(self._transactions.with_last_use(leases, work.now))

    def get(self, lease_id: str) -> Session | None:
        """Return the live session of a lease; ``None`` when the lease has ended, or never was."""
        with self._transactions.reading() as work:
            return self._get(work, lease_id)

    def extend(
        self,
        lease_id: str,
        by: str,
        hours: float | None = None,
        groups_of: Mapping[str, Iterable[str]] | None = None,
        *,
        by_program: bool = False,
    ) -> Session:
        """Extend a session as far as its user's limits allow.

        Args:
            lease_id: whose.
            by: who asks for it, for the audit trail.
            hours: by how much; ``None``: by the usual length of a session, or otherwise by as much
                as the limits allow.
            groups_of: user to the groups that they are in now; for other users, the groups of
                their lease count.
            by_program: whether a program in the session asks for it. Then it does not count as a
                use of the GPUs, lasts for a minute at least, and continues the latest entry in the
                audit trail.

        Returns:
            The session as it is now.

        Raises:
            ExtensionError: there is no such session, or it cannot last longer.
        """
        if hours is not None and not 0 < hours <= _MAX_HOURS:  # refuses NaN as well
            raise ExtensionError(
                Message(
                    "The hours of an extension are a number more than 0 and at most {most}.",
                    most=_MAX_HOURS,
                )
            )
        if by_program and hours is not None and hours * HOUR < sessions.MIN_STEP:
            raise ExtensionError(
                Message(
                    "An extension from within the session is at least a minute. Ask for more hours."
                )
            )

        def change(work: UnitOfWork) -> Session:
            found = work.transaction.leases.get(lease_id)
            if found is None or found.state is LeaseState.ENDED:
                raise ExtensionError(
                    Message("The session is over, or there never was one of this id.")
                )
            (lease,) = self._transactions.with_last_use([found], work.now)
            limits = work.limits
            effective = limits.of(lease.user, (groups_of or {}).get(lease.user, lease.groups))
            extended = sessions.extend(
                lease, effective, limits.accounts([lease]), hours, by_program=by_program
            )
            if isinstance(extended, str):
                raise ExtensionError(extended)
            work.transaction.leases.update(extended)
            entry = (by, "lease.extend", lease_id, found.expires_at, extended.expires_at)
            if by_program:
                work.transaction.audit.continue_or_record(*entry, since=work.now - _SPAN_SECONDS)
            else:
                work.transaction.audit.record(*entry)
                self._transactions.mark_active(lease_id, work.now)
            return work.sessions([extended])[0]

        return self._transactions.run(change)

    def release(self, lease_id: str, by: str, reason: str) -> bool:
        """End a session soon; its devices stay taken until its container's end is proven.

        The hub stops the container within seconds of seeing this.

        Args:
            lease_id: whose.
            by: who ends it, for the audit trail.
            reason: a few words that complete "the session ended because …".

        Returns:
            Whether there was a session to end. One that is ending already is left as it is.
        """

        def change(work: UnitOfWork) -> bool:
            lease = work.transaction.leases.get(lease_id)
            if lease is None or lease.state is LeaseState.ENDED:
                return False
            if lease.state in (LeaseState.GRANTED, LeaseState.ACTIVE):
                work.transaction.leases.set_state(lease_id, LeaseState.STOPPING, reason)
                work.transaction.audit.record(
                    by, "lease.release", lease_id, lease.state.value, reason
                )
            return True

        return self._transactions.run(change)

    def _get(self, work: UnitOfWork, lease_id: str) -> Session | None:
        lease = work.transaction.leases.get(lease_id)
        if lease is None or lease.state is LeaseState.ENDED:
            return None
        return work.sessions(self._transactions.with_last_use([lease], work.now))[0]


class ExpiringSessions(Sessions):
    """The live sessions, and those that the hub has to end."""

    def __init__(self, cycle: SchedulingCycle) -> None:
        super().__init__(cycle)
        self._cycle = cycle

    def due(self, now: float | None = None) -> list[Session]:
        """Return the sessions that are to end; see :meth:`expire`.

        Args:
            now: the time to compare with (Unix time); by default the present.
        """
        if now is None:
            now = self._cycle.clock.time()
        if not self._cycle.ready or not self._cycle.times_are_shifted:
            return []
        return [
            session
            for session in self.live()
            if session.ends_at is not None and session.ends_at <= now
        ]

    def expire(self, lease_id: str) -> str | None:
        """Mark the lease of a session as stopping, if the session is to end now.

        That is checked again: it may have been extended meanwhile.

        Returns:
            Why it ends, in a few words; ``None`` when it does not.
        """

        def change(work: UnitOfWork) -> str | None:
            session = self._get(work, lease_id)
            if session is None or session.ends_at is None or session.ends_at > work.now:
                return None
            work.transaction.leases.set_state(lease_id, LeaseState.STOPPING, session.reason)
            return session.reason

        return self._cycle.run(change)
