"""The WebSocket of the stream, and the messages that its clients may send."""

from __future__ import annotations

import asyncio
import json
import math
import time
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from jupyterlab_gpudock.handlers.base import AUTH_RESOURCE
from jupyterlab_gpudock.stream.broadcast import encode

if TYPE_CHECKING:
    from jupyterlab_gpudock.app.services import Services

MAX_BAD_MESSAGES = 20
"""A client that sends more is disconnected: it is broken, or not one of ours."""
MAX_MESSAGES, MESSAGES_SPAN_S = 50, 10.0
"""So is one that sends more than this many messages, valid or not, in so many seconds."""
_POLICY_VIOLATION = 1008


class BadMessageError(ValueError):
    """A client's message is invalid; the text is for the client's developer."""


def requested_interval(message: str | bytes) -> float | None:
    """Return the interval that a message requests, in seconds; None for the server's setting.

    Raises:
        BadMessageError: the message is invalid.
    """
    try:
        body = json.loads(message)
    except (ValueError, RecursionError):
        raise BadMessageError("A message must be JSON.") from None
    if not isinstance(body, dict) or body.get("type") != "rate" or "interval_s" not in body:
        raise BadMessageError(
            'The only message is {"type": "rate", "interval_s": seconds or null}.'
        )
    interval = body["interval_s"]
    if interval is None:
        return None
    if isinstance(interval, bool) or not isinstance(interval, int | float) or math.isnan(interval):
        raise BadMessageError('"interval_s" must be a number of seconds, or null.')
    return float(min(max(interval, 0), 1e9))


class StreamHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """``gpudock/api/stream``: a WebSocket that carries each snapshot once."""

    auth_resource = AUTH_RESOURCE
    _sending: asyncio.Future[None] | None = None
    _bad_messages = 0
    _messages = 0
    _counted_since = 0.0

    def initialize(self, services: Services) -> None:
        """Take the services behind the routes."""
        self._stream = services.stream
        self._waiting: dict[str, bytes] = {}

    @property
    def max_message_size(self) -> int:
        """Longest message in bytes; a client that sends more is disconnected."""
        return 1024

    def set_default_headers(self) -> None:
        """Leave out the headers of a page, which have no meaning here."""

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the socket for users whom the server's authorizer lets read."""
        allowed = self.authorizer.is_authorized(self, self.current_user, "read", self.auth_resource)
        if not await ensure_async(allowed):
            raise web.HTTPError(403)
        await super().get(*args, **kwargs)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Start the keep-alive and join the stream."""
        super().open(*args, **kwargs)
        self.set_nodelay(True)
        self._stream.join(self)

    def on_message(self, message: str | bytes) -> None:
        """Apply the requested rate, or report what is wrong with the message."""
        now = time.monotonic()
        if now - self._counted_since > MESSAGES_SPAN_S:
            self._counted_since, self._messages = now, 0
        self._messages += 1
        if self._messages > MAX_MESSAGES:
            self.close(_POLICY_VIOLATION, "Too many messages")
            return
        try:
            self._stream.request_rate(self, requested_interval(message))
        except BadMessageError as error:
            self._bad_messages += 1
            if self._bad_messages > MAX_BAD_MESSAGES:
                self.close(_POLICY_VIOLATION, "Too many invalid messages")
            else:
                frame = {"type": "error", "code": "bad_message", "message": str(error)}
                self.insist("error", encode(frame))

    def on_close(self) -> None:
        """Leave the stream; the last client to leave ends the sampling."""
        self._stream.leave(self)

    def offer(self, frame: bytes) -> bool:
        """Send a frame, unless the one before is still on its way to a slow client."""
        if self._sending is not None and not self._sending.done():
            return False
        try:
            self._sending = asyncio.ensure_future(self.write_message(frame))
        except WebSocketClosedError:
            self._stream.leave(self)
            return False
        self._sending.add_done_callback(self._sent)
        return True

    def insist(self, topic: str, frame: bytes) -> None:
        """Send a frame now or as soon as the client has taken the one before."""
        if self.offer(frame):
            self._waiting.pop(topic, None)
        else:
            self._waiting[topic] = frame

    def _sent(self, sent: asyncio.Future[None]) -> None:
        """Send what waits. A client that disconnected in mid-frame is nothing to log."""
        if sent.cancelled() or sent.exception() is not None:
            return
        if self._waiting:
            topic = next(iter(self._waiting))
            self.insist(topic, self._waiting.pop(topic))
