"""Resume the queue after a restart of the hub.

The queue is in the store and outlives the hub, but the spawns that waited in it do not. The Hub is
asked, through its own REST API, to start each of those servers again with the same options; the
request then finds its old place.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from gpudock.hub_api import HubRejectedError, HubUnavailableError

if TYPE_CHECKING:
    from gpudock.broker import Broker
    from gpudock.hub_api import HubAPI
    from gpudock.model import Request

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_ATTEMPTS = 60


async def resume_waiting(broker: Broker, hub: HubAPI) -> None:
    """Ask the Hub to start the server of every request without a spawn, in queue order.

    A user who no longer exists, or whose server cannot be started, leaves the queue.
    """

    async def resume(request: Request) -> None:
        if await _start(hub, request):
            log.info("Resumed the request of %s.", _server_name(request))
        else:
            broker.requests.withdraw(request.user, request.server)

    # All at once, because the Hub answers late for a server that waits; the store keeps the order.
    await asyncio.gather(*(resume(request) for request in broker.requests.to_resume()))


async def _start(hub: HubAPI, request: Request) -> bool:
    for _ in range(_ATTEMPTS):
        try:
            await hub.start_server(request.user, request.server, request.user_options)
        except HubRejectedError as error:
            log.warning("Not resuming the request of %s: %s", _server_name(request), error)
            return False
        except HubUnavailableError as error:
            log.debug("The Hub is not ready (%s); trying again.", error)
        else:
            return True
        await asyncio.sleep(_RETRY_SECONDS)
    log.warning("Could not resume the request of %s; it keeps its place.", _server_name(request))
    return True


def _server_name(request: Request) -> str:
    return f"{request.user}:{request.server}" if request.server else request.user
