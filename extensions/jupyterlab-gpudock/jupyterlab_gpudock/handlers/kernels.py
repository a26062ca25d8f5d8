"""The routes that only look: thin, authenticated and authorised like Jupyter Server's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyterlab_gpudock.handlers.base import FIRST_READING_TIMEOUT_S, Handler, Refusal
from jupyterlab_gpudock.kernel.snippets import snippets

if TYPE_CHECKING:
    from jupyterlab_gpudock.app.services import Parts


class PartsHandler(Handler):
    """A route that looks at the GPUs or the environments."""

    def initialize(self, parts: Parts) -> None:
        """Take what the route was made with."""
        self._parts = parts


class GPUsHandler(PartsHandler):
    """``GET gpudock/api/gpus``: the newest snapshot, taken now if nobody else is looking."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with a snapshot, or with ``{"type": "waiting"}`` while NVML has not answered."""
        await self._parts.owners.renew()
        sampler = self._parts.sampler
        snapshot = await sampler.fresh(FIRST_READING_TIMEOUT_S)
        self.finish(sampler.document(snapshot) if snapshot else {"type": "waiting"})


class HistoryHandler(PartsHandler):
    """``GET gpudock/api/history``: the last 10 minutes, in columns."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with times (s since 1970), and by UUID a column for each metric."""
        from jupyterlab_gpudock.stream.history import USUAL_POINTS, columns

        points = self.get_query_argument("points", "") or str(USUAL_POINTS)
        if not (points.isascii() and points.isdigit() and len(points) <= 6):
            self.refuse(Refusal(400, "bad_request", "«points» has to be a whole number."))
            return
        # Sixteen GPUs have some 40,000 numbers: the loop does not wait for their sums.
        rows = self._parts.sampler.history()
        loop = asyncio.get_running_loop()
        self.finish(await loop.run_in_executor(None, columns, rows, int(points)))


class StackHandler(PartsHandler):
    """``GET gpudock/api/stack?kernel=&refresh=``: versions from driver to cuDNN, and a verdict."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer for the kernel named in the query, or else for the server's default one."""
        kernel = self.get_query_argument("kernel", "") or self.kernel_manager.default_kernel_name
        refresh = self.get_query_argument("refresh", "0") == "1"
        reading = await self._parts.newest_reading()
        try:
            self.finish(await self._parts.stack.describe(kernel, reading, refresh=refresh))
        except KeyError:
            self.refuse(Refusal(404, "no_kernel", "This server has no kernel of that name."))


class EnvironmentsHandler(PartsHandler):
    """``GET gpudock/api/environments``: the kernels, and what is known of their environments."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the list; no environment is asked for it."""
        reading = await self._parts.newest_reading()
        self.finish(
            await self._parts.stack.environments(
                self.kernel_manager.default_kernel_name, reading.state
            )
        )


class SnippetsHandler(PartsHandler):
    """``GET gpudock/api/snippets``: what the front end asks a running kernel."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the expressions; they are the same for every user and kernel."""
        self.finish(snippets())
