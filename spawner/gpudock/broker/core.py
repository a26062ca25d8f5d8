"""What all of a broker's calls share: one transaction around one decision."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from gpudock.broker.lab import Lab, Outcome, Terms
from gpudock.broker.memory import Memory
from gpudock.broker.signals import Signals
from gpudock.model import Place, Quota
from gpudock.policy.condition import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpudock.inventory import Inventory
    from gpudock.policy.queue import Ordering
    from gpudock.store import Store

log = logging.getLogger(__name__)

FIRST_LOOK = "The lab is finding out which containers run; no GPU is given before that is known."


class Core:
    """The database, the devices, and what this process knows."""

    def __init__(
        self,
        store: Store,
        inventory: Inventory,
        *,
        default_quota: Quota | None = None,
        clock: Callable[[], float] = time.time,
        settle_seconds: float = 30.0,
        reading_max_age: float = 15.0,
        claim_seconds: float = 120.0,
        ordering: Ordering | None = None,
        new_id: Callable[[], str] | None = None,
        watching: bool = False,
    ) -> None:
        """Make a broker over a store that is up to date (see ``Store.migrate``).

        Args:
            store: the database.
            inventory: which devices there are and how they fare.
            default_quota: limits where no level says otherwise.
            clock: returns Unix time.
            settle_seconds: how long processes of an ended session may linger on a device before
                it is quarantined.
            reading_max_age: age in seconds from which a reading is no ground for a grant.
            claim_seconds: how long a granted lease may be without a container before it ends.
            ordering: the rule of the queue; first come, first served by default.
            new_id: makes a lease's id, lower-case letters and digits; random by default.
            watching: only to look at a lab whose leases another process grants: what that process
                learned from the engine is taken for granted, and nothing can be changed.
        """
        terms = Terms(
            default_quota=default_quota or Quota(),
            rules=Rules(settle_seconds=settle_seconds, reading_max_age=reading_max_age),
            claim_seconds=claim_seconds,
        )
        if ordering is not None:
            terms = replace(terms, ordering=ordering)
        self._terms = terms if new_id is None else replace(terms, new_id=new_id)
        self._store = store
        self._inventory = inventory
        self._memory = Memory(clock)
        self._signals = Signals()
        self._places: dict[tuple[str, str], Place] = {}
        self._generation = 0
        self._trusted_from = float("-inf")
        self._watching = watching
        self._ready = watching
        self._problem: str | None = None

    @property
    def ready(self) -> bool:
        """Whether the engine was looked at, so that leases may be granted."""
        return self._ready

    # Transactions.

    @contextmanager
    def _lab(self) -> Iterator[Lab]:
        """Open a writing transaction; before it is committed, grant what can be granted then."""
        assert not self._watching, "a broker that watches changes nothing"
        with self._store.transaction() as transaction:
            generation = transaction.generation
            if generation < self._generation:
                self._distrust()
            lab = Lab(
                transaction, self._inventory.reading(), self._terms, self._memory.now(), self._hold
            )
            lab.note_devices()
            yield lab
            lab.schedule()
            outcome = lab.outcome
            settled = {*outcome.grants, *outcome.refusals, *outcome.places}
            lab.look_up(key for key in self._signals.servers() if key not in settled)
            generation += transaction.changed
        self._generation = generation
        self._announce(lab.outcome)

    @contextmanager
    def _reading_lab(self) -> Iterator[Lab]:
        """Open a transaction that only reads."""
        with self._store.snapshot() as transaction:
            yield Lab(
                transaction, self._inventory.reading(), self._terms, self._memory.now(), self._hold
            )

    @property
    def _hold(self) -> str | None:
        return None if self._ready else FIRST_LOOK

    def _distrust(self) -> None:
        """Stop granting until the next look: the database was replaced by an older copy."""
        if self._ready:
            log.warning("The database was replaced by an older one; looking at the engine again.")
        self._ready = False
        self._trusted_from = self._memory.now()
        self._generation = 0

    def _announce(self, outcome: Outcome) -> None:
        for lease_id in outcome.granted:
            self._memory.granted(lease_id)
        former, self._places = self._places, outcome.places
        for key in self._signals.servers():
            news = outcome.grants.get(key) or outcome.refusals.get(key)
            if news is not None or former.get(key) != outcome.places.get(key):
                self._signals.tell(key, news)
