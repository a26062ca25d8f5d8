"""The loop that ends expired sessions.

The broker decides when and why a session ends (``gpudock.policy.sessions``). The loop asks it at
short intervals for sessions that are due, and ends each as if its user had stopped the server: the
workspace is kept. A lease whose end is not proven stays in state stopping, for the reconciler.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from gpudock.hub.lifecycle import terminate
from gpudock.store import StoreError

if TYPE_CHECKING:
    from gpudock.broker import Broker
    from gpudock.engine.protocol import ContainerEngine
    from gpudock.model import Lease

log = logging.getLogger(__name__)


class SessionExpiry:
    """Ends expired sessions; :meth:`run` is the loop."""

    def __init__(
        self, broker: Broker, engine: ContainerEngine[Any], *, interval: float = 2.0
    ) -> None:
        """Prepare the loop.

        Args:
            broker: the broker of the sessions.
            engine: the engine that runs their containers.
            interval: seconds between two checks.
        """
        self._broker = broker
        self._engine = engine
        self._interval = interval
        self._ending: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """End sessions that are due until cancelled; no error ends the loop."""
        try:
            while True:
                self.end_due()
                await asyncio.sleep(self._interval)
        finally:
            for task in self._ending.values():
                task.cancel()

    def end_due(self) -> None:
        """Start to end the sessions that are due, each in a task of its own."""
        try:
            for session in self._broker.sessions.due():
                lease = session.lease
                if lease.id in self._ending:
                    continue
                reason = self._broker.sessions.expire(lease.id)
                if reason is not None:
                    log.info("The session of %s (lease %s) ends: %s.", lease.user, lease.id, reason)
                    self._ending[lease.id] = asyncio.create_task(self._end(lease, reason))
        except StoreError as error:
            log.error("Expired sessions were not ended: %s Trying again.", error)
        except Exception:
            # The loop must not end: without it sessions would never end.
            log.exception("Expired sessions were not ended; trying again.")

    async def settled(self) -> None:
        """Wait for the sessions that are being ended."""
        while self._ending:
            await asyncio.gather(*self._ending.values(), return_exceptions=True)

    async def _end(self, lease: Lease, reason: str) -> None:
        try:
            await terminate(self._broker, self._engine, lease, reason)
        except StoreError as error:
            log.warning("The lease %s is not ended yet: %s", lease.id, error)
        except Exception:
            log.exception("The lease %s is not ended yet.", lease.id)
        finally:
            self._ending.pop(lease.id, None)
