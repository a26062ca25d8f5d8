"""The hub's epoch: at most one hub changes a lab, and it knows when its database was replaced.

A hub that starts takes the next epoch, which is a row in the database with a token that only this
hub knows. Each of its transactions checks that row. If a newer epoch is there, another hub has
taken over: this one may not change anything any more, and ends.

With all that it writes the hub also replaces the row's stamp, and likewise when it has seen what
another process wrote. So a copy of the database that lacks anything the hub has seen has another
stamp, whatever was written to that copy since. The stamp is also the hub's heartbeat: a hub that
starts elsewhere waits while the stamp changes.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpudock.store import REMEDY, EpochHeldError, EpochLostError, WrongLabError, check_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.store import LabRecord, Store, Transaction

log = logging.getLogger(__name__)

STALE_SECONDS = 12.0
"""For how long a hub must not have changed its stamp to count as dead."""

_MAX_UNCERTAIN = 100
_LOST = (
    "Another hub has taken over this lab's database, so this one ends. Its container starts again"
    " and waits until the other hub has ended. Run one hub per lab."
)


@dataclass(frozen=True, slots=True)
class LabIdentity:
    """Which lab a hub serves, and where.

    Attributes:
        lab_id: the lab's random id.
        name: the lab's name, which labels its containers.
        engine_id: the Docker Engine's id; ``None``: it has none.
        engine_name: the engine's host.
        place: identifies the lock that this hub holds while it runs, so that no other hub of the
            same place can be alive.
    """

    lab_id: str
    name: str
    engine_id: str | None
    engine_name: str
    place: str

    def check(self, record: LabRecord) -> None:
        """Check that a database belongs to this lab on this engine, or to nobody yet.

        An engine that was installed again on its host has another id, and is the same engine.

        Raises:
            WrongLabError: it does not.
        """
        check_record(record, self.lab_id)
        if record.name not in (None, self.name):
            raise WrongLabError(
                f'The lab\'s database belongs to a lab with the name "{record.name}", and this one'
                f' is "{self.name}" (GPUDOCK_NETWORK, which is Compose\'s project name). It would'
                f" take the containers of that name for foreign ones. {REMEDY}"
            )
        if record.engine_id in (None, self.engine_id) or record.engine_name == self.engine_name:
            return
        raise WrongLabError(
            f'The lab\'s database belongs to this lab on the server "{record.engine_name}", and'
            f' this hub is on "{self.engine_name}", another Docker Engine. Used by both, each would'
            f" end the other's sessions. {REMEDY}"
        )


class Heartbeat:
    """Watches the stamp of a hub that may be alive."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Watch nothing yet; *monotonic* returns seconds of a clock that cannot be set."""
        self._monotonic = monotonic
        self._stamp: str | None = None
        self._since = 0.0
        self.has_changed = False

    def has_stopped(self, stamp: str) -> bool:
        """Take the stamp of now; return whether it has been the same for long enough."""
        now = self._monotonic()
        if stamp != self._stamp:
            self.has_changed = self._stamp is not None
            self._stamp, self._since = stamp, now
        return now - self._since >= STALE_SECONDS


class Epoch:
    """The epoch of one hub process."""

    def __init__(
        self,
        identity: LabIdentity | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to take an epoch.

        Args:
            identity: the hub's lab and engine; ``None``: those of any database.
            monotonic: returns seconds of a clock that cannot be set.
        """
        self.lost = False
        self._identity = identity
        self._heartbeat = Heartbeat(monotonic)
        self._token = secrets.token_hex(16)
        self._number: int | None = None
        self._stamp = ""
        # Of transactions of which it is not known whether they were committed.
        self._uncertain: deque[str] = deque(maxlen=_MAX_UNCERTAIN)
        self._pending: str | None = None

    def take(self, store: Store) -> None:
        """Take the next epoch, unless another hub is alive.

        Raises:
            WrongLabError: the database belongs to another lab or another engine.
            EpochHeldError: another hub of this lab is or may be alive; try again.
            StoreError: the database failed.
        """
        try:
            with store.transaction() as transaction:
                record = transaction.lab.read()
                if self._identity is not None:
                    self._identity.check(record)
                    self._check_holder(record, self._identity)
                self._begin(transaction, record)
        except BaseException:
            self.failed()
            raise
        self.committed()

    def enter(self, transaction: Transaction) -> bool:
        """Check at the beginning of a transaction that this hub may change the lab.

        Returns:
            Whether the database is not the one that this hub knows: it was replaced by another
            copy, or by an empty one.

        Raises:
            EpochLostError: another hub has taken over, also if it is another lab's.
            WrongLabError: the database was replaced by another lab's.
        """
        record = transaction.lab.read()
        if self._number is None:
            self._begin(transaction, record)
            return False
        if self.lost:
            raise EpochLostError(_LOST)
        if self._is_own(record):
            return False
        if not self._is_older(record):
            self.lost = True
            log.error("%s", _LOST)
            raise EpochLostError(_LOST)
        if self._identity is not None:
            self._identity.check(record)
        self._write(transaction, record, self._number)
        return True

    def is_current(self, transaction: Transaction) -> bool:
        """Return whether a database is the one that this hub knows, and this hub's to change."""
        return self._number is None or (not self.lost and self._is_own(transaction.lab.read()))

    def stamp(self, transaction: Transaction) -> None:
        """Replace the stamp, in a transaction that :meth:`enter` has allowed."""
        if self._pending is None:
            self._pending = secrets.token_hex(16)
            transaction.lab.set_stamp(self._pending)

    def committed(self) -> None:
        """Note that the transaction was committed."""
        if self._pending is not None:
            self._stamp, self._pending = self._pending, None
            self._uncertain.clear()

    def failed(self) -> None:
        """Note that the transaction has failed; perhaps only the answer to its commit was lost."""
        if self._pending is not None:
            self._uncertain.append(self._pending)
            self._pending = None

    def release(self, store: Store) -> None:
        """Note in the database that this hub ends, so that the next one need not wait.

        Raises:
            StoreError: the database failed, or another hub has taken over.
        """
        if self._number is None or self.lost:
            return
        with store.transaction() as transaction:
            record = transaction.lab.read()
            if self._is_own(record):
                transaction.lab.write(replace(record, place=None))

    def _begin(self, transaction: Transaction, record: LabRecord) -> None:
        self._write(transaction, record, record.epoch + 1)
        self._number = record.epoch + 1

    def _write(self, transaction: Transaction, record: LabRecord, number: int) -> None:
        self._pending = secrets.token_hex(16)
        mine = replace(record, epoch=number, token=self._token, stamp=self._pending)
        if self._identity is not None:
            here = self._identity
            mine = replace(
                mine,
                lab_id=here.lab_id,
                name=here.name,
                engine_id=here.engine_id,
                engine_name=here.engine_name,
                place=here.place,
            )
        transaction.lab.write(mine)

    def _check_holder(self, record: LabRecord, here: LabIdentity) -> None:
        """Raise ``EpochHeldError`` unless the former hub is known to have ended."""
        if record.place in (None, here.place):
            return
        if not self._heartbeat.has_stopped(record.stamp):
            raise EpochHeldError(
                f'Another hub of this lab, on the server "{record.engine_name}", may still use the'
                " lab's database. This hub waits until that one has ended."
            )

    def _is_own(self, record: LabRecord) -> bool:
        return (
            record.epoch == self._number
            and record.token == self._token
            and (record.stamp == self._stamp or record.stamp in self._uncertain)
        )

    def _is_older(self, record: LabRecord) -> bool:
        """Return whether a record that this hub does not know is from before, not from after."""
        assert self._number is not None
        if record.epoch < self._number or record.token == self._token:
            return True
        # No other hub of this place is alive, because this one holds the lock.
        return self._identity is not None and record.place == self._identity.place


class LabMove:
    """Makes a database the one of a lab on this server, on purpose."""

    def __init__(
        self,
        store: Store,
        lab_id: str,
        name: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to move a lab.

        Args:
            store: its database.
            lab_id: the id of the lab on this server.
            name: its name.
            monotonic: returns seconds of a clock that cannot be set.
        """
        self._store = store
        self._lab_id = lab_id
        self._name = name
        self._heartbeat = Heartbeat(monotonic)

    def is_here(self, place: str | None) -> bool:
        """Return whether the database is this lab's already, and the hub at *place* uses it.

        Raises:
            StoreError: the database failed.
        """
        with self._store.snapshot() as transaction:
            record = transaction.lab.read()
        owner = (record.lab_id, record.name)
        return place is not None and record.place == place and owner == (self._lab_id, self._name)

    def attempt(self) -> bool:
        """Make the database this lab's, for the next hub that starts here.

        Returns:
            Whether that is done; otherwise the former hub may be alive: try again in a second.

        Raises:
            EpochHeldError: the former hub is alive.
            StoreError: the database failed.
        """
        with self._store.transaction() as transaction:
            record = transaction.lab.read()
            if record.place is not None and not self._heartbeat.has_stopped(record.stamp):
                if self._heartbeat.has_changed:
                    raise EpochHeldError(
                        f'The hub on the server "{record.engine_name}" is alive and uses this'
                        " database. Stop it first; nothing was changed."
                    )
                return False
            transaction.lab.write(
                replace(
                    record,
                    lab_id=self._lab_id,
                    name=self._name,
                    engine_id=None,
                    engine_name=None,
                    # A hub that was only frozen finds that it has lost the database.
                    epoch=record.epoch + 1,
                    token="",
                    place=None,
                )
            )
        return True
