"""The loop that gives a proxy that restarted its routes back.

The proxy keeps its routes in memory only, and the Hub compares them with its own every five
minutes. Until then nothing leads to the hub, to its services and to users' servers.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyterhub.app import JupyterHub

log = logging.getLogger(__name__)


class ProxyRoutes:
    """Watches the proxy; :meth:`run` is the loop."""

    def __init__(self, app: JupyterHub, *, interval: float = 1.0, timeout: float = 2.0) -> None:
        """Prepare the loop.

        Args:
            app: the Hub whose proxy it is.
            interval: seconds between two looks.
            timeout: seconds that a look may take. The Hub's client of the proxy waits longer and
                longer between its tries, so one that has tried for a while is replaced.
        """
        self._app = app
        self._interval = interval
        self._timeout = timeout

    async def run(self) -> None:
        """Look until cancelled; no error ends the loop."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.look()
            except TimeoutError:
                log.debug("The proxy does not answer; trying again.")
            except Exception:
                # The loop must not end: without it nobody reaches a server for minutes.
                log.exception("Checking the proxy's routes failed; trying again.")

    async def look(self) -> None:
        """Have the Hub add all its routes again if the proxy does not even have the Hub's.

        Raises:
            TimeoutError: the proxy does not answer.
        """
        app = self._app
        if getattr(app, "hub", None) is None:
            return  # the Hub has not read its configuration to the end
        async with asyncio.timeout(self._timeout):
            routes = await app.proxy.get_all_routes()
        if app.hub.routespec not in routes:
            log.warning("The proxy has lost its routes, as after a restart; adding them again.")
            # JupyterHub has no other way to its services than this.
            services = app._service_map  # noqa: SLF001
            await app.proxy.check_routes(app.users, services, routes)
