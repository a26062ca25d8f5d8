"""``python -m gpudock.desk``: serve the desk until a signal ends it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from tornado.httpserver import HTTPServer

from gpudock.broker import BrokerConfig
from gpudock.config import configured_groups
from gpudock.config.names import agent_name
from gpudock.config.settings import Settings, SettingsError
from gpudock.config.shared_volume import (
    ACCESS_SCOPE,
    AGENT_PORT,
    DESK_NAME,
    DESK_TOKEN,
    LAB_ID,
    desk_prefix,
    secret_in,
)
from gpudock.desk.app import make_app
from gpudock.desk.backend import Backend
from gpudock.desk.config import HUB, DeskConfig, cookie_secret
from gpudock.desk.hub_client import DeskOAuth, HubClient
from gpudock.desk.inventory import SharedInventory
from gpudock.hub_api import HubAPI
from gpudock.store import Store, StoreError

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("gpudock.desk")

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 5.0
_HUB_CONNECT_SECONDS = 5.0
_HUB_REQUEST_SECONDS = 20.0
# Of requests that come from nobody known. The endpoints have limits of their own.
_MAX_BODY_BYTES = 2**20


async def serve(settings: Settings, config: DeskConfig) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    token = await _own_token(config.shared / DESK_TOKEN, stop)
    if token is None:
        return
    inventory = SharedInventory(
        config.agent_url or f"http://{agent_name(settings.network)}:{AGENT_PORT}",
        config.shared,
    )
    await inventory.start()
    hub = HubClient(
        HubAPI(
            config.hub_api or f"{HUB}{settings.base_url}hub/api",
            token,
            connect_timeout=_HUB_CONNECT_SECONDS,
            request_timeout=_HUB_REQUEST_SECONDS,
        )
    )
    backend = Backend(
        Store(settings.db_url, lab_id=lambda: secret_in(config.shared / LAB_ID)),
        inventory,
        hub,
        BrokerConfig(
            default_quota=settings.default_quota, leftover_memory_mib=settings.leftover_memory
        ),
        show_holders=settings.show_holders,
        has_accounts=settings.authenticator == "native",
        configured_groups=lambda: configured_groups.read(config.shared),
    )
    application = make_app(
        backend,
        sign_in(hub, token, settings.base_url),
        cookie_secret=cookie_secret(token),
        metrics_token=settings.metrics_token,
        lab_name=settings.lab_name,
        has_logo=settings.lab_logo is not None,
    )
    # Modules stay loaded for good. Scanning them took the garbage collector half of the time of
    # a response with thousands of rows.
    gc.collect()
    gc.freeze()
    server = HTTPServer(application, xheaders=True, max_body_size=_MAX_BODY_BYTES)
    server.listen(config.port, config.address)
    log.info("The desk listens on port %d.", config.port)
    await stop.wait()
    server.stop()
    try:
        async with asyncio.timeout(_GRACE_SECONDS):
            await server.close_all_connections()
    except TimeoutError:
        log.info("Some requests did not finish in time.")
    await inventory.stop()
    backend.close()


def sign_in(hub: HubClient, token: str, base_url: str) -> DeskOAuth:
    """Return the Hub's sign-in for the desk of a lab at *base_url*."""
    here = desk_prefix(base_url)
    found = DeskOAuth(
        api_url=hub.api.url,
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
    """Wait for the token that the hub makes; ``None`` if *stop* comes first."""
    logged = False
    while not stop.is_set():
        token = secret_in(file)
        if token:
            return token
        if not logged:
            log.info("Waiting for the hub to write %s.", file)
            logged = True
        await asyncio.sleep(_POLL_SECONDS)
    return None


def main() -> None:
    """Run the desk."""
    logging.basicConfig(format="[%(levelname).1s %(asctime)s] %(message)s", level=logging.INFO)
    # The Hub's sign-in warns about every request without the headers that only HTTPS has.
    logging.getLogger("tornado.application").setLevel(logging.ERROR)
    os.umask(0o027)
    try:
        settings = Settings.from_environ(os.environ)
        asyncio.run(serve(settings, DeskConfig.from_environ(os.environ)))
    except (SettingsError, StoreError) as error:
        sys.exit(f"gpudock: {error}")


if __name__ == "__main__":
    main()
