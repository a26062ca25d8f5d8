"""Find leases whose user or server the Hub does not know; adopt them, or end them with proof.

A hub that crashes during a start may leave a container without a server in the Hub, and an account
may be removed or renamed while its container runs. Nobody would stop such a container, and the lab
would lose its GPU. So the Hub is asked at intervals:

* If the user exists, the Hub is asked to start the server. The start finds the lease and reconnects
  to the running container: its work continues, its user can see and stop it, and limits apply.
* If the user is gone, nobody can return to the container. It is ended; the workspace is kept.

A Hub that does not answer, or refuses to, proves nothing: unknown is occupied.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpudock.hub.lifecycle import terminate
from gpudock.hub_api import HubError
from gpudock.model import LeaseState
from gpudock.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.broker import Broker
    from gpudock.engine.client import DockerEngine
    from gpudock.hub_api import HubAPI
    from gpudock.model import Lease

log = logging.getLogger(__name__)

REASON = "its user is not in the Hub any more"

# Until a Hub that has just started answers, and until the second look at a server that it does not
# know. A start that a restart of the hub cut short is so over within seconds.
_SOON_SECONDS = 3.0


@dataclass(slots=True)
class _Orphan:
    """A lease that the Hub did not know at the last look.

    Attributes:
        user_gone: whether its user was not known either.
        since: when this was first found, in seconds of the loop's clock.
        logged: the last problem that was logged for it.
    """

    user_gone: bool
    since: float
    logged: str = ""


class Orphans:
    """Finds leases that the Hub does not know, and acts on those found twice in a row."""

    def __init__(
        self,
        broker: Broker,
        engine: DockerEngine,
        hub: HubAPI,
        *,
        interval: float = 60.0,
        grace: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the loop; :meth:`run` is the loop.

        Args:
            broker: the broker of the leases.
            engine: the engine that runs their containers.
            hub: client of the Hub's API.
            interval: seconds between two looks.
            grace: seconds for which a user must be missing who was never seen in the Hub. A user
                who was seen has been removed, but a Hub that never knew the user may have lost its
                database; this is the time to restore it before work ends.
            clock: returns seconds and never runs backwards.
        """
        self._broker = broker
        self._engine = engine
        self._hub = hub
        self._interval = interval
        self._grace = grace
        self._clock = clock
        self._orphans: dict[str, _Orphan] = {}
        self._seen_users: set[str] = set()
        self._problem: str | None = None

    async def run(self) -> None:
        """Look until cancelled; no error ends the loop."""
        soon = min(_SOON_SECONDS, self._interval)
        pause = soon
        while True:
            await asyncio.sleep(pause)
            pause = self._interval
            try:
                if await self.look():
                    pause = soon
            except (HubError, StoreError) as error:
                pause = soon
                if str(error) != self._problem:
                    log.warning("The Hub could not be asked about the leases: %s", error)
                self._problem = str(error)
            except Exception:
                log.exception("Asking the Hub about the leases failed; trying again.")
            else:
                self._problem = None

    async def look(self) -> bool:
        """Ask the Hub about every live lease, and act on those found a second time.

        Returns:
            Whether a server was found for the first time whose user the Hub knows.

        Raises:
            HubError: the Hub did not answer; earlier findings still hold.
            StoreError: the database failed.
        """
        leases = [
            lease for lease in self._broker.leases.live() if lease.state is not LeaseState.STOPPING
        ]
        active = await self._hub.active_servers() if leases else set()
        twice = []
        orphans: dict[str, _Orphan] = {}
        for lease in leases:
            if (lease.user, lease.server) in active:
                self._seen_users.add(lease.user)
            elif not self._broker.leases.is_starting(lease.id):
                orphan = await self._examine(lease)
                if orphan is not None:
                    orphans[lease.id] = orphan
                    if orphan is self._orphans.get(lease.id):
                        twice.append(lease)
        self._orphans = orphans
        self._seen_users &= {lease.user for lease in leases}
        results = await asyncio.gather(
            *(self._act(lease, orphans[lease.id]) for lease in twice), return_exceptions=True
        )
        errors = [error for error in results if isinstance(error, Exception)]
        for error in errors[1:]:
            log.error("Acting on an orphaned lease failed.", exc_info=error)
        if errors:
            raise errors[0]
        known = {lease.id for lease in twice}
        return any(not item.user_gone for key, item in orphans.items() if key not in known)

    async def _examine(self, lease: Lease) -> _Orphan | None:
        """Ask about one lease; return the earlier finding if it still holds."""
        servers = await self._hub.servers_of(lease.user)
        if servers is not None:
            self._seen_users.add(lease.user)
            if lease.server in servers:
                return None
        before = self._orphans.get(lease.id)
        if before is not None and before.user_gone is (servers is None):
            return before
        return _Orphan(servers is None, self._clock())

    async def _act(self, lease: Lease, orphan: _Orphan) -> None:
        current = self._broker.leases.get(lease.id)
        if current is None or current.state not in (LeaseState.GRANTED, LeaseState.ACTIVE):
            return
        if not orphan.user_gone:
            await self._adopt(current, orphan)
        elif lease.user in self._seen_users or self._clock() - orphan.since >= self._grace:
            log.warning("Ending the lease %s of %s: %s.", lease.id, lease.user, REASON)
            await terminate(self._broker, self._engine, current, REASON)

    async def _adopt(self, lease: Lease, orphan: _Orphan) -> None:
        # Without a container there is nothing to reconnect to; such a lease ends by itself.
        if lease.container_id is None:
            return
        try:
            await self._hub.start_server(lease.user, lease.server)
        except HubError as error:
            # It is left running: its user may still come back, and work may run in it.
            if str(error) != orphan.logged:
                orphan.logged = str(error)
                log.warning(
                    "The Hub does not know the server of lease %s of %s and did not adopt it: %s "
                    "Stop its container if nobody needs it.",
                    lease.id,
                    lease.user,
                    error,
                )
        else:
            log.info("The Hub adopted the server of lease %s of %s.", lease.id, lease.user)
