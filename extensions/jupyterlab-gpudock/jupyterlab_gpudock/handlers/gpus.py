"""The routes of GPU readings."""

from __future__ import annotations

import asyncio

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyterlab_gpudock.errors import RequestError
from jupyterlab_gpudock.handlers.base import Handler


class GPUsHandler(Handler):
    """``GET gpudock/api/gpus``: the newest snapshot, taken now if nobody is watching."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return a snapshot, or ``{"type": "waiting"}`` before the first reading."""
        await self._services.owners.renew()
        sampler = self._services.sampler
        snapshot = await self._services.newest_snapshot()
        self.finish(sampler.document(snapshot) if snapshot else {"type": "waiting"})


class HistoryHandler(Handler):
    """``GET gpudock/api/history?points=``: the last 10 minutes, in columns."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return times (s since 1970), and by UUID a column for each metric."""
        from jupyterlab_gpudock.stream.history import DEFAULT_POINTS, columns

        points = self.get_query_argument("points", "") or str(DEFAULT_POINTS)
        if not (points.isascii() and points.isdigit() and len(points) <= 6):
            raise RequestError(400, "bad_request", '"points" must be a whole number.')
        # Sixteen GPUs have some 40,000 numbers: the event loop does not wait for their sums.
        rows = self._services.sampler.history()
        loop = asyncio.get_running_loop()
        self.finish(await loop.run_in_executor(None, columns, rows, int(points)))
