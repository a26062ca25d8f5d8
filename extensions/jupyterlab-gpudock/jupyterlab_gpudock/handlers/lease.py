"""The routes of this server's lease. The Hub token stays on the server."""

from __future__ import annotations

import math

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyterlab_gpudock.errors import RequestError
from jupyterlab_gpudock.handlers.base import Handler


class LeaseHandler(Handler):
    """``GET gpudock/api/lease``: whether a gpudock hub gave this server a GPU, and until when."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the lease, which contains no secret."""
        self.finish(await self._services.lease.document())


class ExtendHandler(Handler):
    """``POST gpudock/api/lease/extend``."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Extend the lease by the hours of the body, or by the desk's default, and return it."""
        hours = self.body(hours=(int, float)).get("hours")
        if hours is not None and not (math.isfinite(hours) and 0 < hours <= 10_000):
            raise RequestError(400, "bad_request", '"hours" must be a number from 0 to 10000.')
        self.finish(await self._services.lease.extend(None if hours is None else float(hours)))


class ReleaseHandler(Handler):
    """``POST gpudock/api/lease/release``."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Release the lease; this server ends soon after."""
        self.finish(await self._services.lease.release())


class RestartHandler(Handler):
    """``POST gpudock/api/server/restart``."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """End this server so that it can be restarted, or return where to restart it by hand."""
        self.finish(await self._services.lease.restart())
