"""What can be read and changed within one transaction."""

from __future__ import annotations

from gpudock.store.gpus import Devices
from gpudock.store.leases import Leases
from gpudock.store.quotas import Ledger
from gpudock.store.requests import Requests


class Transaction(Devices, Leases, Requests, Ledger):
    """Reads and changes that happen together or not at all.

    Each writing transaction increases :attr:`generation` by one, so that a database that was
    replaced by an older copy of itself can be told.
    """

    @property
    def generation(self) -> int:
        """How many writing transactions this database has seen."""
        return self._number("generation")

    def close(self) -> None:
        """Count this transaction, if it changed anything. Called just before the commit."""
        if self.changed:
            self._set_number("generation", self.generation + 1)
