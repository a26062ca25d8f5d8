"""The routes of «Run a check»."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyterlab_gpudock.handlers.base import Refusal
from jupyterlab_gpudock.handlers.kernels import PartsHandler


class ChecksHandler(PartsHandler):
    """``gpudock/api/checks``: what the newest checks found, and to begin one."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the list."""
        self.finish({"checks": self._parts.checks.documents()})

    @web.authenticated
    @authorized(action="execute")
    async def post(self) -> None:
        """Begin a check and answer 202 with it; it goes on when the client goes away."""
        try:
            wish = self.body(gpu=str, kernel=str)
            if "gpu" not in wish:
                raise Refusal(400, "bad_request", "The field «gpu» is missing: a GPU's UUID.")
            kernel = wish.get("kernel") or self.kernel_manager.default_kernel_name
            try:
                _, interpreter = await self._parts.stack.interpreter(kernel)
            except KeyError:
                words = "This server has no kernel of that name."
                raise Refusal(404, "no_kernel", words) from None
            if interpreter is None:
                words = f"«{kernel}» is not a Python kernel, or its Python cannot be told."
                raise Refusal(409, "no_python", words)
            reading = await self._parts.newest_reading()
            check = self._parts.checks.start(wish["gpu"], kernel, interpreter, reading)
        except Refusal as refusal:
            self.refuse(refusal)
            return
        self.set_status(202)
        self.finish(check.document())


class CheckHandler(PartsHandler):
    """``gpudock/api/checks/ID``: one check, and to end it."""

    @web.authenticated
    @authorized
    async def get(self, check_id: str) -> None:
        """Answer with the check."""
        try:
            self.finish(self._parts.checks.find(check_id).document())
        except Refusal as refusal:
            self.refuse(refusal)

    @web.authenticated
    @authorized(action="execute")
    async def delete(self, check_id: str) -> None:
        """End the check and its processes; answer 204 once they have ended."""
        try:
            await self._parts.checks.cancel(check_id)
        except Refusal as refusal:
            self.refuse(refusal)
            return
        self.set_status(204)
        self.finish()
