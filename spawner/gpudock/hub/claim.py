"""How a hub takes its lab: lock, database and epoch, each as soon as it is available.

Whatever is in the way, the hub waits and says so on its pages and to its health check. A hub that
ended instead would be restarted all the time, and show nobody why.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from gpudock.broker.epoch import Epoch, LabIdentity
from gpudock.config.shared_volume import HUB_LOCK, LAB_ID, leave_note, secret, secret_in
from gpudock.hub.lock import HubLock
from gpudock.language import Message, message_of, sentences
from gpudock.store import EpochLostError, StoreError, StoreUnusableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gpudock.broker import Broker
    from gpudock.engine.client import EngineInfo
    from gpudock.store import Store

log = logging.getLogger(__name__)

STARTING = Message("The lab is starting.")

_RETRY_SECONDS = 2.0
_UNUSABLE_SECONDS = 30.0
"""How often to try a database again that a person must replace."""
_LOCK_SECONDS = 0.5
_BEAT_SECONDS = 3.0
_ANOTHER_HUB = Message(
    "Another hub of this lab still runs on this server. This one waits until that one has ended."
    " Run one hub per lab."
)


class LabClaim:
    """What one hub process does to have the lab, and to keep it."""

    def __init__(
        self, store: Store, shared: Path, name: str, report: Callable[[str], None]
    ) -> None:
        """Claim nothing yet.

        Args:
            store: the lab's database.
            shared: the folder that hub and desk share; it has the lab's id and the hub's lock.
            name: the lab's name.
            report: takes a sentence on what the hub waits for.
        """
        self._store = store
        self._id_file = shared / LAB_ID
        self._lock = HubLock(shared / HUB_LOCK)
        self._name = name
        self._report = report

    @property
    def is_locked(self) -> bool:
        """Whether this hub is the only one of its shared folder."""
        return self._lock.is_held

    async def wait_for_lock(self) -> None:
        """Wait until no other hub of this lab runs on this machine, as while it is replaced."""
        while not self._lock.acquire():
            self._report(_ANOTHER_HUB)
            await asyncio.sleep(_LOCK_SECONDS)
        self._report(STARTING)

    async def open_database(self) -> None:
        """Bring the database up to date, as soon as it can be used.

        It may be locked, or its server may start later than the hub. One that a person must replace
        is tried more rarely.
        """
        waited = False
        while True:
            try:
                # It may block for as long as it takes to connect; the Hub answers meanwhile.
                await asyncio.to_thread(self._store.migrate, secret_in(self._id_file) or None)
            except StoreError as error:
                waited = True
                goes_on = Message("The lab goes on by itself once its database can be used.")
                self._report(sentences(message_of(error), goes_on))
                unusable = isinstance(error, StoreUnusableError)
                await asyncio.sleep(_UNUSABLE_SECONDS if unusable else _RETRY_SECONDS)
            else:
                if waited:
                    log.info("The lab's database can be used now.")
                self._report(STARTING)
                return

    async def take_epoch(self, info: EngineInfo) -> Epoch:
        """Take the lab's next epoch, once the database is this lab's and no other hub's.

        Args:
            info: the engine on which the lab's containers run.
        """
        epoch: Epoch | None = None
        while True:
            try:
                if epoch is None:
                    epoch = Epoch(await asyncio.to_thread(self._identity, info))
                await asyncio.to_thread(epoch.take, self._store)
            except StoreError as error:
                self._report(message_of(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._report(STARTING)
                return epoch

    async def keep_epoch(self, broker: Broker, end_hub: Callable[[], None]) -> None:
        """Keep other hubs from taking over while this one is alive; end it when one has."""
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            try:
                broker.keep_epoch()
            except EpochLostError as error:
                self._report(message_of(error))
                end_hub()
                return
            except StoreError as error:
                # The reconciler reports a database that goes on failing.
                log.debug("The hub's epoch could not be checked: %s", error)

    def _identity(self, info: EngineInfo) -> LabIdentity:
        """Return which lab this is, and where; a new lab gets an id."""
        if not self._id_file.exists():
            with self._store.snapshot() as transaction:
                record = transaction.lab.read()
            same = (record.name, record.engine_id) == (self._name, info.id or None)
            if record.lab_id and record.engine_id and same:
                # The shared folder was lost, but lab and engine are those of the database.
                leave_note(self._id_file, record.lab_id)
        return LabIdentity(
            lab_id=secret(self._id_file),
            name=self._name,
            engine_id=info.id or None,
            engine_name=info.name,
            place=self._lock.place,
        )
