"""The extension's routes: thin, authenticated and authorised like Jupyter Server's own."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized, ws_authenticated
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from jupyterlab_gpudock.lease import lease_context
from jupyterlab_gpudock.readings import Reading, Snapshot, State

if TYPE_CHECKING:
    from jupyterlab_gpudock.sampler import Sampler
    from jupyterlab_gpudock.stack import Stack
    from jupyterlab_gpudock.stream import Stream

AUTH_RESOURCE = "gpudock"
FIRST_READING_TIMEOUT_S = 5.0
"""How long a REST call waits for NVML, which can take seconds to open."""


class GPUsHandler(APIHandler):
    """``GET gpudock/api/gpus``: the newest snapshot, taken now if nobody else is looking."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, sampler: Sampler) -> None:
        """Take what the route was made with."""
        self._sampler = sampler

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with a snapshot, or with ``{"type": "waiting"}`` while NVML has not answered."""
        snapshot = await self._sampler.fresh(FIRST_READING_TIMEOUT_S)
        self.finish(self._sampler.document(snapshot) if snapshot else {"type": "waiting"})


class HistoryHandler(APIHandler):
    """``GET gpudock/api/history``: use and memory of the last 10 minutes, in columns."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, sampler: Sampler) -> None:
        """Take what the route was made with."""
        self._sampler = sampler

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with times (s since 1970), and by UUID a column for each metric."""
        self.finish(_columns(self._sampler.history()))


def _columns(snapshots: tuple[Snapshot, ...]) -> dict[str, Any]:
    gpus: dict[str, dict[str, list[Any]]] = {}
    for row, snapshot in enumerate(snapshots):
        for gpu in snapshot.reading.gpus:
            columns = gpus.setdefault(
                gpu.uuid,
                {
                    "utilization_percent": [None] * len(snapshots),
                    "memory_used_mib": [None] * len(snapshots),
                },
            )
            for name, column in columns.items():
                value = getattr(gpu, name)
                column[row] = value if isinstance(value, int | float) else None
    return {"times": [round(snapshot.time, 3) for snapshot in snapshots], "gpus": gpus}


class StackHandler(APIHandler):
    """``GET gpudock/api/stack?kernel=&refresh=``: versions from driver to cuDNN, and a verdict."""

    auth_resource = AUTH_RESOURCE

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
        snapshot = await self._sampler.fresh(FIRST_READING_TIMEOUT_S)
        reading = (
            snapshot.reading if snapshot else Reading(State.FAILED, "NVML has not answered yet")
        )
        try:
            self.finish(await self._stack.describe(kernel, reading, refresh=refresh))
        except KeyError:
            raise web.HTTPError(404, "This server has no kernel of that name") from None


class LeaseHandler(APIHandler):
    """``GET gpudock/api/lease``: whether a gpudock hub gave this server a GPU."""

    auth_resource = AUTH_RESOURCE

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the lease's context; it holds nothing secret."""
        self.finish(dataclasses.asdict(lease_context(os.environ)))


class StreamHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """``gpudock/api/stream``: a WebSocket that carries each snapshot once."""

    auth_resource = AUTH_RESOURCE
    _sending: asyncio.Future[None] | None = None

    def initialize(self, stream: Stream) -> None:
        """Take what the route was made with."""
        self._stream = stream

    @property
    def max_message_size(self) -> int:
        """Clients have nothing to say; one that sends more than this many bytes is cut off."""
        return 1024

    def set_default_headers(self) -> None:
        """Leave out the headers of a page, which mean nothing here."""

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the socket, for whom the server's authoriser lets read."""
        allowed = self.authorizer.is_authorized(self, self.current_user, "read", self.auth_resource)
        if not await ensure_async(allowed):
            raise web.HTTPError(403)
        await super().get(*args, **kwargs)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Start the keep-alive and take part in the stream."""
        super().open(*args, **kwargs)
        self._stream.join(self)

    def on_message(self, message: str | bytes) -> None:
        """Ignore what clients send: the stream goes one way."""

    def on_close(self) -> None:
        """Leave the stream; the last one to leave ends the sampling."""
        self._stream.leave(self)

    def offer(self, frame: bytes) -> None:
        """Send a frame, unless the one before is still on its way to a slow client."""
        if self._sending is not None and not self._sending.done():
            return
        try:
            self._sending = asyncio.ensure_future(self.write_message(frame))
        except WebSocketClosedError:
            self._stream.leave(self)
            return
        self._sending.add_done_callback(_forget_closed)


def _forget_closed(sent: asyncio.Future[None]) -> None:
    """Look at the outcome: a client that went away in mid-frame is nothing to log."""
    if not sent.cancelled():
        sent.exception()
