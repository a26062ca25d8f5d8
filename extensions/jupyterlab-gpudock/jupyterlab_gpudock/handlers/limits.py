"""The routes of limits, and of kernels that ended."""

from __future__ import annotations

import os

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyterlab_gpudock.errors import RequestError
from jupyterlab_gpudock.handlers.base import Handler


class LimitsHandler(Handler):
    """``GET gpudock/api/limits?kernel=``: what this server may use of its host, and uses."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the limits; those of open files are those of the kernel in the query."""
        kernel_id = self.get_query_argument("kernel", "")
        pid: int | None = os.getpid()
        if kernel_id:
            if kernel_id not in self.kernel_manager:
                raise RequestError(404, "no_kernel", "There is no such kernel.")
            manager = self.kernel_manager.get_kernel(kernel_id)
            pid = getattr(manager.provisioner, "pid", None)
        self.finish(self._services.limits.read(pid or os.getpid()))


class EndsHandler(Handler):
    """``GET gpudock/api/ends``: how kernels ended that nobody had asked to."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the newest end of each kernel."""
        self.finish(self._services.ends.document())
