"""The desk's access to the lab: brokers in worker threads, and the Hub.

A broker blocks and belongs to one thread. There are three, so that no change waits for a report
over five years.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from gpudock.broker import DeskBroker
from gpudock.config.configured_groups import ConfiguredGroups
from gpudock.desk.errors import UnavailableError
from gpudock.language import Message, message_of, sentences
from gpudock.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.broker import BrokerConfig
    from gpudock.desk.hub_client import HubClient
    from gpudock.inventory import Inventory
    from gpudock.store import Store

log = logging.getLogger(__name__)

_DEACTIVATED_SECONDS = 1.0
"""How old the list of deactivated accounts may be."""

P = ParamSpec("P")
T = TypeVar("T")


class WorkerThread:
    """One broker in one thread."""

    def __init__(self, name: str, broker: DeskBroker) -> None:
        """Give *broker* a thread called *name*."""
        self._broker = broker
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def __call__(
        self, function: Callable[Concatenate[DeskBroker, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what *function* returns when called with the broker in its thread.

        Raises:
            UnavailableError: the database does not answer; nothing was changed.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._executor, lambda: function(self._broker, *args, **kwargs)
            )
        except StoreError as error:
            log.error("The database failed: %s", error)
            problem = sentences(message_of(error), Message("Nothing was changed."))
            raise UnavailableError(problem) from error

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Backend:
    """What endpoints work with.

    Attributes:
        read: reads the present state of the lab.
        report: reads what takes longer.
        write: changes something. It grants nothing: only the hub's broker does.
        hub: the Hub.
        inventory: the latest reading of the GPUs.
        show_holders: whether all users may see who has which GPU.
        has_accounts: whether the lab itself keeps accounts with passwords.
        configured_groups: returns what the Hub's configuration says about groups.
    """

    def __init__(
        self,
        store: Store,
        inventory: Inventory,
        hub: HubClient,
        config: BrokerConfig,
        *,
        show_holders: bool = False,
        has_accounts: bool = False,
        configured_groups: Callable[[], ConfiguredGroups] = ConfiguredGroups,
    ) -> None:
        """Start the worker threads.

        Args:
            store: the lab's database, which the hub migrates.
            inventory: the GPUs.
            hub: the Hub.
            config: the options of the brokers.
            show_holders: whether all users may see who has which GPU.
            has_accounts: whether the lab itself keeps accounts with passwords.
            configured_groups: returns what the Hub's configuration says about groups.
        """

        def worker(name: str) -> WorkerThread:
            return WorkerThread(name, DeskBroker(store, inventory, config))

        self.store = store
        self.inventory = inventory
        self.hub = hub
        self.show_holders = show_holders
        self.has_accounts = has_accounts
        self.configured_groups = configured_groups
        self.read = worker("read")
        self.report = worker("report")
        self.write = worker("write")
        self._deactivated: frozenset[str] = frozenset()
        self._deactivated_at = -math.inf

    async def is_deactivated(self, user: str) -> bool:
        """Return whether an administrator has deactivated the user's account.

        The Hub's answers on who somebody is are kept for longer than this may take effect. While
        the database does not answer, what it said last counts.
        """
        now = time.monotonic()
        if now - self._deactivated_at >= _DEACTIVATED_SECONDS:
            self._deactivated_at = now
            try:
                self._deactivated = await asyncio.to_thread(self._read_deactivated)
            except StoreError as error:
                log.warning("Which accounts are deactivated is not known: %s", error)
        return user in self._deactivated

    def _read_deactivated(self) -> frozenset[str]:
        with self.store.snapshot() as transaction:
            return frozenset(transaction.deactivated.all())

    def close(self) -> None:
        """End the threads and close all connections."""
        for worker in (self.read, self.report, self.write):
            worker.close()
        self.hub.api.close()
        self.store.close()
