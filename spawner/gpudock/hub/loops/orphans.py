"""Leases whose user or server the Hub does not know: taken up again, or ended with proof.

A hub that dies in the middle of a start may leave a container that no server of the Hub stands for,
and an account may be removed or renamed while its container runs. Nobody would ever stop such a
container, and its GPU would be lost to the lab. So the Hub is asked at intervals:

* Where the user exists, the Hub is asked to start the server. That finds the lease and connects to
  the container that runs: whatever works in it goes on, its user can see and stop it, and the lab's
  limits apply to it as to any other.
* Where the user is gone, nobody can come back to the container. It is ended; the workspace stays.

A Hub that does not answer, or refuses to, says nothing about anybody: unknown is occupied.
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


@dataclass(slots=True)
class _Stray:
    """A lease that the Hub did not know at the last look.

    Attributes:
        user_gone: whether not even its user was known.
        since: when it was first seen so (seconds of the loop's clock).
        told: what the log has been told of it.
    """

    user_gone: bool
    since: float
    told: str = ""


class Orphans:
    """Finds, look by look, the leases that the Hub does not know, and acts at the second look."""

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
            broker: whose leases they are.
            engine: where their containers run.
            hub: who knows the users.
            interval: seconds between two looks.
            grace: how long a user must be missing whom this process has never seen in the Hub. One
                whom it has seen was removed; but a Hub that never knew anybody has perhaps lost its
                database, and this is the time to bring that back before work ends.
            clock: seconds, never running backwards.
        """
        self._broker = broker
        self._engine = engine
        self._hub = hub
        self._interval = interval
        self._grace = grace
        self._clock = clock
        self._strays: dict[str, _Stray] = {}
        self._seen_users: set[str] = set()
        self._problem: str | None = None

    async def run(self) -> None:
        """Look until cancelled; no error ends the loop."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.look()
            except (HubError, StoreError) as error:
                if str(error) != self._problem:
                    log.warning("Not known which leases the Hub knows: %s", error)
                self._problem = str(error)
            except Exception:
                log.exception("Asking the Hub about the leases failed; trying again.")
            else:
                self._problem = None

    async def look(self) -> None:
        """Ask the Hub about every live lease once, and act on those it did not know twice.

        Raises:
            HubError: the Hub did not answer; what was known before still holds.
            StoreError: the database failed.
        """
        leases = [
            lease for lease in self._broker.leases.live() if lease.state is not LeaseState.STOPPING
        ]
        active = await self._hub.active_servers() if leases else set()
        twice = []
        strays: dict[str, _Stray] = {}
        for lease in leases:
            if (lease.user, lease.server) in active:
                self._seen_users.add(lease.user)
            elif not self._broker.leases.is_starting(lease.id):
                stray = await self._stray(lease)
                if stray is not None:
                    strays[lease.id] = stray
                    twice += [lease] * (stray is self._strays.get(lease.id))
        self._strays = strays
        self._seen_users &= {lease.user for lease in leases}
        await asyncio.gather(*(self._act(lease, strays[lease.id]) for lease in twice))

    async def _stray(self, lease: Lease) -> _Stray | None:
        """Ask about one lease; return what was found before where it still is so."""
        servers = await self._hub.servers_of(lease.user)
        if servers is not None:
            self._seen_users.add(lease.user)
            if lease.server in servers:
                return None
        before = self._strays.get(lease.id)
        if before is not None and before.user_gone is (servers is None):
            return before
        return _Stray(servers is None, self._clock())

    async def _act(self, lease: Lease, stray: _Stray) -> None:
        current = self._broker.leases.get(lease.id)
        if current is None or current.state not in (LeaseState.GRANTED, LeaseState.ACTIVE):
            return
        if not stray.user_gone:
            await self._take_up(current, stray)
        elif lease.user in self._seen_users or self._clock() - stray.since >= self._grace:
            log.warning("Ending the lease %s of %s: %s.", lease.id, lease.user, REASON)
            await terminate(self._broker, self._engine, current, REASON)

    async def _take_up(self, lease: Lease, stray: _Stray) -> None:
        # Without a container there is nothing to connect to; such a lease ends by itself.
        if lease.container_id is None:
            return
        try:
            await self._hub.start_server(lease.user, lease.server)
        except HubError as error:
            # It is left alone: its user may still come, and something may be at work in it.
            if str(error) != stray.told:
                stray.told = str(error)
                log.warning(
                    "The Hub does not know the server of the lease %s of %s and does not take it "
                    "up: %s Stop its container if nobody needs it.",
                    lease.id,
                    lease.user,
                    error,
                )
        else:
            log.info("The Hub took up the server of the lease %s of %s.", lease.id, lease.user)
