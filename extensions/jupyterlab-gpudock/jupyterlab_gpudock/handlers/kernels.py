"""The routes of kernels and their environments."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyterlab_gpudock.handlers.base import Handler
from jupyterlab_gpudock.kernel.snippets import snippets


class StackHandler(Handler):
    """``GET gpudock/api/stack?kernel=&refresh=``: versions from driver to cuDNN, and a verdict."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the stack of the kernel in the query, or of the server's default kernel."""
        kernel = self.get_query_argument("kernel", "") or self.kernel_manager.default_kernel_name
        refresh = self.get_query_argument("refresh", "0") == "1"
        reading = await self._services.newest_reading()
        self.finish(await self._services.stack.describe(kernel, reading, refresh=refresh))


class EnvironmentsHandler(Handler):
    """``GET gpudock/api/environments``: the kernels, and what is known of their environments."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the list, without probing any environment."""
        reading = await self._services.newest_reading()
        default = self.kernel_manager.default_kernel_name
        self.finish(await self._services.stack.environments(default, reading.state))


class SnippetsHandler(Handler):
    """``GET gpudock/api/snippets``: what the front end evaluates in a running kernel."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the expressions, which are the same for every user and kernel."""
        self.finish(snippets())
