"""The routes about this server's lease: the token for the hub stays on the server."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyterlab_gpudock.handlers.base import Handler, Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from jupyterlab_gpudock.app.services import Parts


class LeaseRoute(Handler):
    """What the routes of the lease have in common."""

    def initialize(self, parts: Parts) -> None:
        """Take what the route was made with."""
        self._lease = parts.lease

    async def _answer(self, document: Awaitable[dict[str, Any]]) -> None:
        try:
            self.finish(await document)
        except Refusal as refusal:
            self.refuse(refusal)


class LeaseHandler(LeaseRoute):
    """``GET gpudock/api/lease``: whether a gpudock hub gave this server a GPU, and until when."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the lease; it holds nothing secret."""
        await self._answer(self._lease.document())


class ExtendHandler(LeaseRoute):
    """``POST gpudock/api/lease/extend``."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Extend the lease, by the hours of the body or as is usual, and answer with it."""
        await self._answer(self._extend())

    async def _extend(self) -> dict[str, Any]:
        hours = self.body(hours=(int, float)).get("hours")
        if hours is not None and not (math.isfinite(hours) and 0 < hours <= 10_000):
            raise Refusal(400, "bad_request", "«hours» has to be a number from 0 to 10000.")
        return await self._lease.extend(None if hours is None else float(hours))


class ReleaseHandler(LeaseRoute):
    """``POST gpudock/api/lease/release``."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Give the lease back; this server ends soon after."""
        await self._answer(self._lease.release())


class RestartHandler(LeaseRoute):
    """``POST gpudock/api/server/restart``."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """End this server so that it can be started anew, or say where to do so by hand."""
        await self._answer(self._lease.restart())
