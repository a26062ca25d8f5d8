"""The agent's HTTP server."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import math
import time
from http.client import responses
from typing import TYPE_CHECKING, Any

import tornado.web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from gpudock.agent.document import Envelope, encode
from gpudock.agent.metrics import GPUCollector

if TYPE_CHECKING:
    from gpudock.agent.sampler import Sample, Sampler

log = logging.getLogger(__name__)

MAX_WAIT_S = 60.0
_DEFAULT_WAIT_S = 25.0


class Feed:
    """Makes requests wait for a newer sample. Belongs to the event loop."""

    def __init__(self, sampler: Sampler) -> None:
        """Make a feed of a sampler."""
        self._sampler = sampler
        self._waiting: set[asyncio.Future[None]] = set()
        self._announced = ""
        self._watch: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def sampler(self) -> Sampler:
        """The sampler behind the feed."""
        return self._sampler

    def start(self) -> None:
        """Start the sampler, and the task that notices a hanging driver."""
        loop = asyncio.get_running_loop()

        def on_sample() -> None:
            try:
                loop.call_soon_threadsafe(self._wake)
            except RuntimeError:
                log.debug("a round ended after the event loop was closed")

        self._sampler.start(on_sample)
        self._watch = loop.create_task(self._watch_for_hang())

    async def stop(self, grace: float) -> None:
        """Release all waiting requests, and give the reading thread *grace* seconds to end."""
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
        self._release()
        ended = await asyncio.get_running_loop().run_in_executor(None, self._sampler.stop, grace)
        if not ended:
            log.warning("an NVML call hangs; the agent ends without closing the library")

    async def beyond(self, cursor: str | None, wait: float) -> Sample:
        """Return the first sample whose cursor is not *cursor*, or the newest after *wait* s."""
        sample = self._sampler.current()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while sample.cursor == cursor and not self._closed and loop.time() < deadline:
            future = loop.create_future()
            self._waiting.add(future)
            try:
                async with asyncio.timeout_at(deadline):
                    await future
            except TimeoutError:
                pass
            finally:
                self._waiting.discard(future)
            sample = self._sampler.current()
        return sample

    def _wake(self) -> None:
        cursor = self._sampler.current().cursor
        if cursor != self._announced:
            self._announced = cursor
            self._release()

    def _release(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def _watch_for_hang(self) -> None:
        while True:
            await asyncio.sleep(self._sampler.interval)
            self._wake()


class Base(tornado.web.RequestHandler):
    """Requires the token, and returns errors as JSON."""

    def initialize(self, token: str, feed: Feed) -> None:
        """Take the application's arguments for every handler."""
        self.token = token
        self.feed = feed

    def set_default_headers(self) -> None:
        """Keep responses out of caches, and the server's name out of responses."""
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def prepare(self) -> None:
        """Reject requests without the token before anything else is read."""
        scheme, _, given = self.request.headers.get("Authorization", "").partition(" ")
        expected = self.token.encode()
        # Compared as bytes: the header may hold anything.
        valid = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), expected)
        if scheme.lower() != "bearer" or not valid:
            self.set_header("WWW-Authenticate", "Bearer")
            raise tornado.web.HTTPError(401)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log failures only: the request log has rejected requests, without their query."""
        if not isinstance(value, tornado.web.HTTPError):
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write an error as ``{"error": …, "message": …}``."""
        messages = {
            401: 'Send the agent\'s token as "Authorization: Bearer …".',
            404: "Not found; the agent serves /v1/inventory, /metrics and /healthz.",
            405: "The agent supports only GET.",
        }
        error = kwargs.get("exc_info", (None, None, None))[1]
        message = messages.get(status_code) or getattr(error, "log_message", None)
        self.finish(
            {
                "error": responses.get(status_code, "error"),
                "message": message or "The agent failed; its log says more.",
            }
        )


class NotFoundHandler(Base):
    """Every other path; it needs the token too."""

    def prepare(self) -> None:
        """Reject with 401 or 404."""
        super().prepare()
        raise tornado.web.HTTPError(404)


class InventoryHandler(Base):
    """``GET /v1/inventory[?after=<cursor>[&wait=<seconds>]]``."""

    _gone = False

    async def get(self) -> None:
        """Return the newest sample; with ``after``, wait for one that is newer."""
        after = self.get_query_argument("after", None)
        wait = self._wait() if after is not None else 0.0
        sample = await self.feed.beyond(after, wait)
        if self._gone:
            return
        now = time.monotonic()
        self.set_header("Content-Type", "application/json")
        self.finish(
            encode(
                Envelope(
                    report=sample.report,
                    cursor=sample.cursor,
                    boot=self.feed.sampler.boot,
                    clock=now,
                    age=None if sample.read_at is None else now - sample.read_at,
                )
            )
        )

    def on_connection_close(self) -> None:
        """Note that the client is gone."""
        self._gone = True

    def _wait(self) -> float:
        given = self.get_query_argument("wait", str(_DEFAULT_WAIT_S))
        try:
            wait = float(given)
        except ValueError:
            wait = math.nan
        if not 0 <= wait <= MAX_WAIT_S:
            raise tornado.web.HTTPError(
                400, log_message=f'"wait" must be a number of seconds from 0 to {MAX_WAIT_S:g}.'
            )
        return wait


class MetricsHandler(Base):
    """``GET /metrics``."""

    def initialize(self, token: str, feed: Feed) -> None:
        """Take the application's arguments, and make the registry."""
        super().initialize(token, feed)
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(GPUCollector(feed.sampler.current, time.monotonic))

    def get(self) -> None:
        """Return the metrics in the format that Prometheus requests."""
        write, content_type = choose_encoder(self.request.headers.get("Accept", ""))
        self.set_header("Content-Type", content_type)
        self.finish(write(self.registry))


class HealthHandler(Base):
    """``GET /healthz``: for the container's health check; needs no token and reveals nothing."""

    def prepare(self) -> None:
        """Require no token."""

    def get(self) -> None:
        """Return 200, or 503 while an NVML call hangs."""
        stuck = self.feed.sampler.current().stuck
        self.set_status(503 if stuck else 200)
        self.finish({"status": "stuck" if stuck else "ok"})


def make_application(feed: Feed, token: str) -> tornado.web.Application:
    """Return the application with its routes."""
    arguments: dict[str, Any] = {"token": token, "feed": feed}
    return tornado.web.Application(
        [
            (r"/v1/inventory", InventoryHandler, arguments),
            (r"/metrics", MetricsHandler, arguments),
            (r"/healthz", HealthHandler, arguments),
        ],
        default_handler_class=NotFoundHandler,
        default_handler_args=arguments,
        log_function=_log_request,
        compress_response=True,
    )


def _log_request(handler: tornado.web.RequestHandler) -> None:
    """Log errors only: successful requests come once a second."""
    status = handler.get_status()
    if status >= 400 and status != 503:
        log.warning(
            "%d %s %s from %s",
            status,
            handler.request.method,
            json.dumps(handler.request.path),
            handler.request.remote_ip,
        )
