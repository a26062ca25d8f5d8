"""The desk's way to the lab: brokers in threads of their own, and the Hub.

Calls of a broker block, and a broker belongs to one thread. There are three, so that nobody's
change waits for somebody's sum over five years.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from gpudock.broker import BrokerConfig, DeskBroker
from gpudock.desk.errors import unavailable
from gpudock.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.desk.hub_client import HubClient
    from gpudock.inventory import Inventory
    from gpudock.model import Quota
    from gpudock.store import Store

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Clerk:
    """One broker in one thread."""

    def __init__(self, name: str, broker: DeskBroker) -> None:
        """Give *broker* a thread called *name*."""
        self._broker = broker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def __call__(
        self, function: Callable[Concatenate[DeskBroker, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what *function* returns of the broker.

        Raises:
            Refusal: the database does not answer; nothing was changed.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, lambda: function(self._broker, *args, **kwargs)
            )
        except StoreError as error:
            log.error("The database refused: %s", error)
            raise unavailable(f"{error} Nothing was changed.") from error

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class Office:
    """What operations work with.

    Attributes:
        look: reads the lab as it is now.
        count: reads what takes longer.
        act: changes something. It grants nothing: that is the hub's broker's.
        hub: the Hub.
        inventory: the newest reading of the GPUs.
        show_holders: whether everybody may see who has which GPU.
    """

    def __init__(
        self,
        store: Store,
        inventory: Inventory,
        hub: HubClient,
        *,
        default_quota: Quota,
        leftover_memory_mib: int | None,
        show_holders: bool = False,
    ) -> None:
        """Open the office.

        Args:
            store: the lab's database, which the hub brings up to date.
            inventory: the GPUs.
            hub: the Hub.
            default_quota: limits where no level says otherwise.
            leftover_memory_mib: how much memory of a GPU that nobody has may be in use, MiB.
            show_holders: whether everybody may see who has which GPU.
        """
        config = BrokerConfig(default_quota=default_quota, leftover_memory_mib=leftover_memory_mib)

        def clerk(name: str) -> Clerk:
            return Clerk(name, DeskBroker(store, inventory, config))

        self.store = store
        self.inventory = inventory
        self.hub = hub
        self.show_holders = show_holders
        self.look = clerk("look")
        self.count = clerk("count")
        self.act = clerk("act")

    def close(self) -> None:
        """Let go of everything."""
        for clerk in (self.look, self.count, self.act):
            clerk.close()
        self.hub.close()
        self.store.close()
