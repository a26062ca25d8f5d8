"""What all of a broker's calls share: one transaction around one decision."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpudock.broker import clock_jumps
from gpudock.broker.activity import Watch
from gpudock.broker.notifications import Signals
from gpudock.broker.process_state import Memory
from gpudock.broker.unit_of_work import Lab, Outcome, Terms
from gpudock.broker.usage_cache import History
from gpudock.model import QueuePosition, Quota
from gpudock.policy.gpu_health import LEFTOVER_MEMORY_MIB, Rules
from gpudock.policy.scheduling.fair_share import HALF_LIFE_DAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpudock.inventory import Inventory
    from gpudock.model import Telemetry
    from gpudock.policy.scheduling.ordering import Ordering
    from gpudock.store import Store, Transaction

log = logging.getLogger(__name__)

# Hours that come back, boosts that begin or end and the order of the queue change with time alone.
_RECONSIDER_SECONDS = 5.0

FIRST_LOOK = "The lab is finding out which containers run; no GPU is given before that is known."


@dataclass(frozen=True, slots=True)
class Seen:
    """What the latest decision depended on, to tell whether it would be another one now.

    Attributes:
        at: when it was made (Unix time).
        generation: the database's, after it.
        gate: why nothing was to be granted.
        trusted: whether the reading was a ground for grants.
        devices: what the reading said, as far as it matters.
        cooling_down: some device was being checked, which is soon over.
    """

    at: float
    generation: int
    gate: str | None
    trusted: bool
    devices: tuple[object, ...]
    cooling_down: bool = False

    @classmethod
    def of(cls, lab: Lab, generation: int) -> Seen:
        """Look at what a decision in *lab* depends on."""
        devices = tuple(
            (item.gpu, item.fault, item.lost, _pids(item.telemetry))
            for item in lab.reading.readings
        )
        changed = lab.transaction.changed
        return cls(lab.now, -1 if changed else generation, lab.gate, lab.is_trusted, devices)

    def is_news_to(self, former: Seen | None) -> bool:
        """Tell whether a decision may be another one than the former."""
        return (
            former is None
            or former.cooling_down
            or self.generation != former.generation
            or self.at - former.at >= _RECONSIDER_SECONDS
            or (self.gate, self.trusted) != (former.gate, former.trusted)
            or self.devices != former.devices
        )


def _pids(telemetry: Telemetry) -> tuple[int, ...] | None:
    processes = telemetry.processes
    return None if processes is None else tuple(process.pid for process in processes)


class Core:
    """The database, the devices, and what this process knows."""

    def __init__(
        self,
        store: Store,
        inventory: Inventory,
        *,
        default_quota: Quota | None = None,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] | None = None,
        cool_down_seconds: float = 30.0,
        reading_max_age: float = 15.0,
        leftover_memory_mib: int | None = LEFTOVER_MEMORY_MIB,
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
            ticks: returns seconds since some moment, and cannot be set, so that sessions keep the
                time that they have left when the clock is set; by default that of the system if
                *clock* is, and else *clock*.
            cool_down_seconds: how long processes and memory of an ended session may linger on a
                device before it is quarantined.
            reading_max_age: age in seconds from which a reading is no ground for a grant.
            leftover_memory_mib: how much memory of a device that nobody has may be in use, MiB;
                ``None``: any amount.
            claim_seconds: how long a granted lease may be without a container before it ends.
            ordering: the rule of the queue; fair share by default.
            new_id: makes a lease's id, lower-case letters and digits; random by default.
            watching: to look at a lab whose leases another process grants, and to change what
                people may change: what that process learned from the engine is taken for granted,
                and what follows from a change is left to it.
        """
        terms = Terms(
            default_quota=default_quota or Quota(),
            rules=Rules(cool_down_seconds, reading_max_age, leftover_memory_mib),
            claim_seconds=claim_seconds,
        )
        if ordering is not None:
            terms = replace(terms, ordering=ordering)
        self._terms = terms if new_id is None else replace(terms, new_id=new_id)
        self._store = store
        self._inventory = inventory
        if ticks is None and clock is time.time:
            ticks = time.monotonic
        self._memory = Memory(clock, ticks)
        # Of the clock's jumps, those that the history and those that the database were told of.
        self._followed = 0.0
        self._moved = 0.0
        self._history = History(getattr(self._terms.ordering, "half_life_days", HALF_LIFE_DAYS))
        self._watch = Watch()
        self._seen: Seen | None = None
        self._signals = Signals()
        self._places: dict[tuple[str, str], QueuePosition] = {}
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
        assert not self._watching, "a broker that watches grants nothing"
        with self._true_history(), self._store.transaction() as transaction:
            generation = transaction.generation
            if generation < self._generation:
                self._distrust()
            lab = self._lab_in(transaction)
            jumps = self._memory.jumps
            if jumps != self._moved:
                clock_jumps.move(lab, jumps - self._moved)
            if self._watch.is_due(lab.now):
                clock_jumps.mend_future(lab)
            lab.note_devices()
            yield lab
            seen = Seen.of(lab, generation)
            if seen.is_news_to(self._seen):
                lab.schedule()
                seen = replace(
                    seen, cooling_down=any(item.cooling_down for item in lab.conditions())
                )
            elif self._seen is not None:
                lab.outcome.places = self._places
                seen = self._seen
            outcome = lab.outcome
            settled = {*outcome.grants, *outcome.refusals, *outcome.places}
            lab.look_up(key for key in self._signals.servers() if key not in settled)
            self._watch.note(lab)
            if self._watch.is_due(lab.now):
                self._watch.write(lab)
            generation += transaction.changed
        self._generation = generation
        self._seen = replace(seen, generation=generation)
        self._moved = jumps
        self._announce(lab.outcome)

    @contextmanager
    def _change(self) -> Iterator[Lab]:
        """Open a writing transaction in any process.

        One that only watches leaves it to the hub, which sees that something was changed, to grant
        what can be granted then.
        """
        if not self._watching:
            with self._lab() as lab:
                yield lab
            return
        with self._true_history(), self._store.transaction() as transaction:
            yield self._lab_in(transaction)

    @contextmanager
    def _true_history(self) -> Iterator[None]:
        """Forget what was read in a transaction that did not come about."""
        try:
            yield
        except BaseException:
            self._history.forget()
            raise

    @contextmanager
    def _reading_lab(self) -> Iterator[Lab]:
        """Open a transaction that only reads."""
        with self._store.snapshot() as transaction:
            yield self._lab_in(transaction)

    def _lab_in(self, transaction: Transaction) -> Lab:
        now = self._memory.steady()
        if self._memory.jumps != self._followed:
            self._followed = self._memory.jumps
            self._watch.follow(self._memory.jumps)
            self._history.forget()
        reading = self._inventory.reading()
        if reading.taken_at is not None and (ahead := self._memory.ahead()) > 0:
            # It was dated by the clock, which is being put right.
            reading = replace(reading, taken_at=reading.taken_at + ahead)
        return Lab(transaction, reading, self._terms, now, self._hold, self._history)

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
        self._seen = None
        self._history.forget()

    def _announce(self, outcome: Outcome) -> None:
        for lease_id in outcome.granted:
            self._memory.granted(lease_id)
        former, self._places = self._places, outcome.places
        for key in self._signals.servers():
            news = outcome.grants.get(key) or outcome.refusals.get(key)
            if news is not None or former.get(key) != outcome.places.get(key):
                self._signals.tell(key, news)
