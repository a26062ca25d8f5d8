"""The routes of «Run a check»."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyterlab_gpudock.base import Handler, Refusal
from jupyterlab_gpudock.handlers import newest_reading

if TYPE_CHECKING:
    from jupyterlab_gpudock.checks import Checks
    from jupyterlab_gpudock.sampler import Sampler
    from jupyterlab_gpudock.stack import Stack


class ChecksHandler(Handler):
    """``gpudock/api/checks``: what the newest checks found, and to begin one."""

    def initialize(self, checks: Checks, sampler: Sampler, stack: Stack) -> None:
        """Take what the route was made with."""
        self._checks = checks
        self._sampler = sampler
        self._stack = stack

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the list."""
        self.finish({"checks": self._checks.documents()})

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
                _, interpreter = await self._stack.interpreter(kernel)
            except KeyError:
                words = "This server has no kernel of that name."
                raise Refusal(404, "no_kernel", words) from None
            if interpreter is None:
                words = f"«{kernel}» is not a Python kernel, or its Python cannot be told."
                raise Refusal(409, "no_python", words)
            reading = await newest_reading(self._sampler)
            check = self._checks.start(wish["gpu"], kernel, interpreter, reading)
        except Refusal as refusal:
            self.refuse(refusal)
            return
        self.set_status(202)
        self.finish(check.document())


class CheckHandler(Handler):
    """``gpudock/api/checks/ID``: one check, and to end it."""

    def initialize(self, checks: Checks) -> None:
        """Take what the route was made with."""
        self._checks = checks

    @web.authenticated
    @authorized
    async def get(self, check_id: str) -> None:
        """Answer with the check."""
        try:
            self.finish(self._checks.find(check_id).document())
        except Refusal as refusal:
            self.refuse(refusal)

    @web.authenticated
    @authorized(action="execute")
    async def delete(self, check_id: str) -> None:
        """End the check and its processes; answer 204 once they have ended."""
        try:
            await self._checks.cancel(check_id)
        except Refusal as refusal:
            self.refuse(refusal)
            return
        self.set_status(204)
        self.finish()
