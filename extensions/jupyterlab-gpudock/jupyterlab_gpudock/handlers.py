"""The routes that only look: thin, authenticated and authorised like Jupyter Server's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyterlab_gpudock.base import FIRST_READING_TIMEOUT_S, Handler, Refusal
from jupyterlab_gpudock.history import USUAL_POINTS, columns
from jupyterlab_gpudock.readings import Reading, State
from jupyterlab_gpudock.snippets import snippets

if TYPE_CHECKING:
    from jupyterlab_gpudock.owners import Owners
    from jupyterlab_gpudock.sampler import Sampler
    from jupyterlab_gpudock.stack import Stack


async def newest_reading(sampler: Sampler) -> Reading:
    """What NVML says now, or that it has not said anything yet."""
    snapshot = await sampler.fresh(FIRST_READING_TIMEOUT_S)
    if snapshot is None:
        return Reading(State.FAILED, "NVML has not answered yet")
    return snapshot.reading


class GPUsHandler(Handler):
    """``GET gpudock/api/gpus``: the newest snapshot, taken now if nobody else is looking."""

    def initialize(self, sampler: Sampler, owners: Owners) -> None:
        """Take what the route was made with."""
        self._sampler = sampler
        self._owners = owners

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with a snapshot, or with ``{"type": "waiting"}`` while NVML has not answered."""
        await self._owners.renew()
        snapshot = await self._sampler.fresh(FIRST_READING_TIMEOUT_S)
        self.finish(self._sampler.document(snapshot) if snapshot else {"type": "waiting"})


class HistoryHandler(Handler):
    """``GET gpudock/api/history``: the last 10 minutes, in columns."""

    def initialize(self, sampler: Sampler) -> None:
        """Take what the route was made with."""
        self._sampler = sampler

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with times (s since 1970), and by UUID a column for each metric."""
        points = self.get_query_argument("points", "") or str(USUAL_POINTS)
        if not (points.isascii() and points.isdigit() and len(points) <= 6):
            self.refuse(Refusal(400, "bad_request", "«points» has to be a whole number."))
            return
        # Sixteen GPUs have some 40,000 numbers: the loop does not wait for their sums.
        rows = self._sampler.history()
        loop = asyncio.get_running_loop()
        self.finish(await loop.run_in_executor(None, columns, rows, int(points)))


class StackHandler(Handler):
    """``GET gpudock/api/stack?kernel=&refresh=``: versions from driver to cuDNN, and a verdict."""

    def initialize(self, sampler: Sampler, stack: Stack) -> None:
        """Take what the route was made with."""
        self._sampler = sampler
        self._stack = stack

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer for the kernel named in the query, or else for the server's default one."""
        kernel = self.get_query_argument("kernel", "") or self.kernel_manager.default_kernel_name
        refresh = self.get_query_argument("refresh", "0") == "1"
        reading = await newest_reading(self._sampler)
        try:
            self.finish(await self._stack.describe(kernel, reading, refresh=refresh))
        except KeyError:
            self.refuse(Refusal(404, "no_kernel", "This server has no kernel of that name."))


class EnvironmentsHandler(Handler):
    """``GET gpudock/api/environments``: the kernels, and what is known of their environments."""

    def initialize(self, sampler: Sampler, stack: Stack) -> None:
        """Take what the route was made with."""
        self._sampler = sampler
        self._stack = stack

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the list; no environment is asked for it."""
        reading = await newest_reading(self._sampler)
        self.finish(
            await self._stack.environments(self.kernel_manager.default_kernel_name, reading.state)
        )


class SnippetsHandler(Handler):
    """``GET gpudock/api/snippets``: what the front end asks a running kernel."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the expressions; they are the same for every user and kernel."""
        self.finish(snippets())
