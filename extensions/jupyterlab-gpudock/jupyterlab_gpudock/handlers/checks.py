"""The routes of "Run a check"."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyterlab_gpudock.errors import RequestError
from jupyterlab_gpudock.handlers.base import Handler


class ChecksHandler(Handler):
    """``gpudock/api/checks``: list the newest checks, or start one."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the list."""
        self.finish({"checks": self._services.checks.documents()})

    @web.authenticated
    @authorized(action="execute")
    async def post(self) -> None:
        """Start a check and return 202 with it; it continues when the client disconnects."""
        body = self.body(gpu=str, kernel=str)
        if "gpu" not in body:
            raise RequestError(400, "bad_request", 'The field "gpu" is missing: a GPU\'s UUID.')
        kernel = body.get("kernel") or self.kernel_manager.default_kernel_name
        _, interpreter = await self._services.stack.interpreter(kernel)
        if interpreter is None:
            message = f'"{kernel}" is not a Python kernel, or its command does not name a Python.'
            raise RequestError(409, "no_python", message)
        reading = await self._services.newest_reading()
        check = self._services.checks.start(body["gpu"], kernel, interpreter, reading)
        self.set_status(202)
        self.finish(check.document())


class CheckHandler(Handler):
    """``gpudock/api/checks/ID``: show or cancel one check."""

    @web.authenticated
    @authorized
    async def get(self, check_id: str) -> None:
        """Return the check."""
        self.finish(self._services.checks.find(check_id).document())

    @web.authenticated
    @authorized(action="execute")
    async def delete(self, check_id: str) -> None:
        """Cancel the check; return 204 once its processes have ended."""
        await self._services.checks.cancel(check_id)
        self.set_status(204)
        self.finish()
