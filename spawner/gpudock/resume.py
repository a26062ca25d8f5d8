"""After a restart of the hub: start the servers of those who were waiting for a GPU.

The queue is in the store and outlives the hub, but the spawns that waited in it do not. The Hub is
asked, through its own REST API, to start each of those servers again with the options of the time;
the request then finds its old place.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING
from urllib.parse import quote

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

if TYPE_CHECKING:
    from gpudock.broker import Broker
    from gpudock.model import Request

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_ATTEMPTS = 60
# The Hub or the proxy before it is not ready, or asks for patience; all else is an answer.
_NOT_YET = (429, 502, 503, 599)


async def resume_waiting(broker: Broker, hub_api_url: str, token: str) -> None:
    """Ask the Hub to start the server of every request that nobody waits for, in queue order.

    A user who no longer exists, or whose server cannot be started, leaves the queue.
    """

    async def resume(request: Request) -> None:
        if await _start_server(hub_api_url, token, request):
            log.info("Resumed the wait of %s for a GPU.", _who(request))
        else:
            broker.withdraw(request.user, request.server)

    # At once: the Hub answers a request that waits only after a while, and the order of the queue
    # is the store's.
    await asyncio.gather(*(resume(request) for request in broker.to_resume()))


async def _start_server(hub_api_url: str, token: str, request: Request) -> bool:
    path = f"/users/{quote(request.user, safe='')}/servers/{quote(request.server, safe='')}"
    http_request = HTTPRequest(
        hub_api_url.rstrip("/") + path,
        method="POST",
        headers={"Authorization": f"token {token}", "Content-Type": "application/json"},
        body=json.dumps(dict(request.user_options)),
        request_timeout=60,
    )
    for _ in range(_ATTEMPTS):
        try:
            await AsyncHTTPClient().fetch(http_request)
        except HTTPClientError as error:
            if "already running" in _body(error):
                return True
            # A Hub that has just started is still looking at the servers that it knew: «pending».
            if error.code not in _NOT_YET and "pending" not in _body(error):
                log.warning("Not resuming the wait of %s: %s", _who(request), _body(error))
                return False
            log.debug("The Hub answered %s; trying again.", error.code)
        except OSError:
            log.debug("The Hub does not listen yet; trying again.")
        else:
            return True
        await asyncio.sleep(_RETRY_SECONDS)
    log.warning("Could not resume the wait of %s; the place is kept.", _who(request))
    return True


def _body(error: HTTPClientError) -> str:
    if error.response is None:
        return str(error)
    return bytes(error.response.body or b"").decode("utf-8", "replace")


def _who(request: Request) -> str:
    return f"{request.user}:{request.server}" if request.server else request.user
