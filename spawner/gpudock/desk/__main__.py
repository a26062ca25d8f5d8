"""``python -m gpudock.desk``: serve the desk until told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from tornado.httpserver import HTTPServer

from gpudock.config.names import agent_name
from gpudock.config.settings import Settings, SettingsError
from gpudock.config.shared_volume import (
    ACCESS_SCOPE,
    AGENT_PORT,
    DESK_NAME,
    DESK_TOKEN,
    desk_prefix,
)
from gpudock.desk.app import make_app
from gpudock.desk.backend import Office
from gpudock.desk.config import HUB, Surroundings, cookie_secret
from gpudock.desk.hub_client import DeskOAuth, HubClient
from gpudock.desk.inventory import SharedInventory, secret_in
from gpudock.store import Store, StoreError

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("gpudock.desk")

_WAIT_SECONDS = 0.5
_GRACE_SECONDS = 5.0
# A body is taken only as far as its operation allows; this is what the largest of them allows.
_LARGEST_BODY = 32 * 2**20


async def serve(settings: Settings, surroundings: Surroundings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    token = await _own_token(surroundings.shared / DESK_TOKEN, stop)
    if token is None:
        return
    inventory = SharedInventory(
        surroundings.agent_url or f"http://{agent_name(settings.network)}:{AGENT_PORT}",
        surroundings.shared,
    )
    await inventory.start()
    hub = HubClient(surroundings.hub_api or f"{HUB}{settings.base_url}hub/api", token)
    office = Office(
        Store(settings.db_url),
        inventory,
        hub,
        default_quota=settings.default_quota,
        leftover_memory_mib=settings.leftover_memory,
        show_holders=settings.show_holders,
    )
    application = make_app(
        office,
        sign_in(hub, token, settings.base_url),
        cookie_secret=cookie_secret(token),
        metrics_token=settings.metrics_token,
    )
    # What was loaded stays for good. Left out of the collections of garbage, it does not hold up
    # an answer with thousands of rows each time that these come round (100 ms of 200).
    gc.collect()
    gc.freeze()
    server = HTTPServer(application, xheaders=True, max_body_size=_LARGEST_BODY)
    server.listen(surroundings.port, surroundings.address)
    log.info("The desk listens on port %d.", surroundings.port)
    await stop.wait()
    server.stop()
    try:
        async with asyncio.timeout(_GRACE_SECONDS):
            await server.close_all_connections()
    except TimeoutError:
        log.info("Some requests were not over in time.")
    await inventory.stop()
    office.close()


def sign_in(hub: HubClient, token: str, base_url: str) -> DeskOAuth:
    """Return the Hub's sign-in for the desk of a lab that is below *base_url*."""
    here = desk_prefix(base_url)
    found = DeskOAuth(
        api_url=hub.api_url,
        api_token=token,
        base_url=here,
        hub_prefix=f"{base_url}hub/",
        oauth_client_id=f"service-{DESK_NAME}",
        oauth_redirect_uri=f"{here}oauth_callback",
        access_scopes={ACCESS_SCOPE},
    )
    found.client = hub
    return found


async def _own_token(file: Path, stop: asyncio.Event) -> str | None:
    """Wait for the token that the hub makes; ``None`` when told to stop."""
    complained = False
    while not stop.is_set():
        token = secret_in(file)
        if token:
            return token
        if not complained:
            log.info("Waiting for the hub to leave %s.", file)
            complained = True
        await asyncio.sleep(_WAIT_SECONDS)
    return None


def main() -> None:
    """Run the desk."""
    logging.basicConfig(format="[%(levelname).1s %(asctime)s] %(message)s", level=logging.INFO)
    # The Hub's sign-in warns of each request that came without what only HTTPS brings.
    logging.getLogger("tornado.application").setLevel(logging.ERROR)
    os.umask(0o027)
    try:
        settings = Settings.from_environ(os.environ)
        asyncio.run(serve(settings, Surroundings.from_environ(os.environ)))
    except (SettingsError, StoreError) as error:
        sys.exit(f"gpudock: {error}")


if __name__ == "__main__":
    main()
