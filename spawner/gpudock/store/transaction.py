"""What can be read and changed within one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, true, update

from gpudock.store import schema
from gpudock.store.accounts import DeactivatedAccounts
from gpudock.store.audit import AuditTrail
from gpudock.store.base import Statements
from gpudock.store.gpus import GPUs
from gpudock.store.lab import LabRow
from gpudock.store.leases import IS_LIVE, Leases
from gpudock.store.quotas import Quotas
from gpudock.store.requests import IS_WAITING, Requests
from gpudock.store.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

# A request whose lease nobody claims returns to the queue, with the time that it has waited.
_MAY_WAIT_AGAIN = schema.requests.c.lease_id.in_(select(schema.leases.c.id).where(IS_LIVE))
# The rows whose moving times still matter; rows of what is over keep their times.
_CURRENT = {
    schema.gpus: true(),
    schema.leases: IS_LIVE,
    schema.requests: IS_WAITING | _MAY_WAIT_AGAIN,
}


class Transaction:
    """Reads and changes that happen together or not at all.

    Each writing transaction increases :attr:`generation` by one, so that a process can see whether
    another one has changed anything.

    Attributes:
        lab: whose database it is.
        gpus, leases, requests, usage, quotas, audit: what is stored of each.
        deactivated: which accounts are deactivated.
    """

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        self._statements = statements = Statements(connection, clock)
        self.lab = LabRow(statements)
        self.gpus = GPUs(statements)
        self.usage = Usage(statements)
        self.leases = Leases(statements, self.usage)
        self.requests = Requests(statements)
        self.audit = AuditTrail(statements)
        self.quotas = Quotas(statements, self.audit)
        self.deactivated = DeactivatedAccounts(statements)

    @property
    def changes(self) -> int:
        """How many statements of this transaction have changed something so far."""
        return self._statements.changes

    @property
    def changed(self) -> bool:
        """Whether this transaction has changed anything so far."""
        return self.changes > 0

    @property
    def generation(self) -> int:
        """How many writing transactions this database has seen."""
        return self._statements.number("generation")

    def shift_times(self, seconds: float) -> None:
        """Move every time that is marked as moving with the clock, in all rows that still matter.

        Args:
            seconds: how far the clock was set forward; negative if it was set back.
        """
        for table, is_current in _CURRENT.items():
            shifted = {name: table.c[name] + seconds for name in schema.moving_times(table)}
            self._statements.change(update(table).where(is_current).values(shifted))

    def close(self) -> None:
        """Count this transaction, if it changed anything. Called just before the commit."""
        if self.changed:
            self._statements.set_number("generation", self.generation + 1)
