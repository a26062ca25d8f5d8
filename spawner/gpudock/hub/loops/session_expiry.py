"""Ends the sessions whose time is up.

When a session ends, and why, is the broker's knowledge (``gpudock.policy.sessions``), as are the
warnings before it. The warden asks at short intervals which ones are due, and ends each as a user
would who stops the server: the workspace stays. What it cannot bring to its end is left in state
stopping, and the reconciler goes on with it.
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


class Warden:
    """The loop that ends sessions; :meth:`run` is the loop."""

    def __init__(
        self, broker: Broker, engine: ContainerEngine[Any], *, interval: float = 2.0
    ) -> None:
        """Prepare the loop.

        Args:
            broker: whose sessions are ended.
            engine: which runs their containers.
            interval: seconds between two looks at what is due.
        """
        self._broker = broker
        self._engine = engine
        self._interval = interval
        self._ending: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """End what is due until cancelled; no error ends the loop."""
        try:
            while True:
                self.end_what_is_due()
                await asyncio.sleep(self._interval)
        finally:
            for task in self._ending.values():
                task.cancel()

    def end_what_is_due(self) -> None:
        """Begin to end the sessions that are due; each is ended in a task of its own."""
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
            log.error("The sessions whose time is up are not ended: %s Trying again.", error)
        except Exception:
            # A loop that ends would leave GPUs to whoever has them, for ever.
            log.exception("The sessions whose time is up are not ended; trying again.")

    async def settled(self) -> None:
        """Wait until the ends that have begun are over, one way or the other."""
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
