"""The loop that starts servers whose requests nobody follows.

The queue is in the store and outlives the hub, but the spawns that waited in it do not. The Hub is
asked, through its own REST API, to start each of those servers again with the same options; the
request then finds its old place. A Hub that is slow, or does not answer, is asked again for as long
as the request waits.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from gpudock.hub_api import HubRejectedError, HubUnavailableError
from gpudock.store import StoreError

if TYPE_CHECKING:
    from gpudock.broker import Broker
    from gpudock.hub_api import HubAPI
    from gpudock.model import Request

    Server = tuple[str, str]

log = logging.getLogger(__name__)

_MAX_PAUSE_SECONDS = 30.0
_MAX_FAILURES = 10
"""How often the Hub may answer that a start failed, before its request leaves the queue."""
_FAILED = 500


class QueueResume:
    """Starts the servers of requests without a spawn, in queue order; :meth:`run` is the loop.

    A user who no longer exists, or whose server cannot be started, leaves the queue.
    """

    def __init__(self, broker: Broker, hub: HubAPI | None, *, interval: float = 2.0) -> None:
        """Prepare the loop.

        Args:
            broker: the broker of the queue.
            hub: the Hub; ``None``: waiting users keep their places, and their servers start when
                they come back.
            interval: seconds between two looks at the queue, and before a start is tried again.
        """
        self._broker = broker
        self._hub = hub
        self._interval = interval
        self._waiting: dict[Server, Request] = {}
        self._starts: dict[Server, asyncio.Task[None]] = {}
        self._problem: str | None = None

    async def run(self) -> None:
        """Resume requests until cancelled; no error ends the loop."""
        try:
            while True:
                self._look()
                await asyncio.sleep(self._interval)
        finally:
            for task in self._starts.values():
                task.cancel()

    def _look(self) -> None:
        """Begin to start the servers that nobody is starting, all at once.

        The Hub answers late for a server that waits; the store keeps the order.
        """
        requests = self._broker.requests
        try:
            requests.finish_giving_up()
            found = requests.to_resume()
        except StoreError as error:
            if str(error) != self._problem:
                log.error("The queue cannot be resumed: %s Trying again.", error)
            self._problem = str(error)
            return
        except Exception:
            # The loop must not end: without it a place may be lost.
            log.exception("The queue cannot be resumed; trying again.")
            return
        self._problem = None
        self._waiting = {(request.user, request.server): request for request in found}
        for server in self._waiting:
            if self._hub is not None and server not in self._starts:
                self._starts[server] = asyncio.create_task(self._resume(self._hub, server))

    async def _resume(self, hub: HubAPI, server: Server) -> None:
        """Ask the Hub to start a server until its request is followed, or waits no more."""
        pause, failures = self._interval, 0
        try:
            while (request := self._waiting.get(server)) is not None:
                try:
                    await hub.start_server(request.user, request.server, request.user_options)
                except HubRejectedError as error:
                    failures += 1
                    if error.status < _FAILED or failures >= _MAX_FAILURES:
                        log.warning("Not resuming the request of %s: %s", _name(server), error)
                        self._broker.requests.give_up(*server, "its server cannot be started")
                        return
                    log.info("The request of %s is resumed later: %s", _name(server), error)
                except HubUnavailableError as error:
                    log.debug("The Hub is not ready (%s); trying again.", error)
                else:
                    log.info("Resumed the request of %s.", _name(server))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _MAX_PAUSE_SECONDS)
        except Exception:
            log.exception("The request of %s is not resumed yet.", _name(server))
            await asyncio.sleep(pause)
        finally:
            del self._starts[server]


def _name(server: Server) -> str:
    return ":".join(filter(None, server))
