"""An inventory that follows an agent over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tornado.httpclient import HTTPError, HTTPRequest
from tornado.httputil import HTTPInputError, url_concat
from tornado.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError, SimpleAsyncHTTPClient

from gpudock.agent.document import MAX_BYTES, DocumentError, Envelope, decode
from gpudock.inventory.clocks import RemoteClock
from gpudock.language import Message, sentences
from gpudock.model import InventoryReading

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 5.0
_SLACK_SECONDS = 5.0
_MIN_DELAY_SECONDS = 0.2
_MAX_DELAY_SECONDS = 5.0
# Limits the load by an agent that does not hold back its answers.
_MIN_ROUND_SECONDS = 0.1
_REFUSED_TOKEN = Message(
    "it refused the hub's token; give GPUDOCK_AGENT_TOKEN the same value on both sides"
)
_REFUSALS = {
    401: _REFUSED_TOKEN,
    403: _REFUSED_TOKEN,
    404: Message("something other than gpudock's agent answers at this address"),
}
NOT_STARTED = Message("The GPU agent has not been started yet.")


class AgentInventory:
    """Follows one agent by long polling."""

    def __init__(
        self,
        url: str | Callable[[], str],
        token: str,
        *,
        wait: float = 10.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        why_no_url: Callable[[], str] = lambda: NOT_STARTED,
    ) -> None:
        """Create an inventory; nothing is requested before :meth:`start`.

        Args:
            url: the agent's URL, for example ``http://172.18.0.2:8089``; or a function that returns
                it, called for each request, because a container's address changes. An empty string
                means that the address is not known yet.
            token: the agent's token.
            wait: seconds for which the agent may hold back an answer until there is a new reading.
            clock: returns Unix time.
            monotonic: a monotonic clock.
            why_no_url: returns a sentence on why the address is not known.
        """
        self._url = url if callable(url) else lambda: url
        self._token = token
        self._wait = wait
        self._clock = clock
        self._monotonic = monotonic
        self._why_no_url = why_no_url
        self._remote_clock = RemoteClock()
        self._reading = InventoryReading(
            taken_at=None, problem=Message("The GPU agent has not been reached yet.")
        )
        self._cursor: str | None = None
        self._heard_at: float | None = None
        self._unidentified: tuple[str, ...] = ()
        self._callbacks: dict[object, Callable[[InventoryReading], None]] = {}
        self._task: asyncio.Task[None] | None = None

    def reading(self) -> InventoryReading:
        """Return the latest reading; while the agent does not answer, it has a problem."""
        return self._reading

    def subscribe(self, callback: Callable[[InventoryReading], None]) -> Callable[[], None]:
        """Call *callback* with every new reading and every change of problem."""
        key = object()
        self._callbacks[key] = callback
        return lambda: self._callbacks.pop(key, None) and None

    async def start(self) -> None:
        """Start to follow the agent."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(
                self._follow(), name="gpudock-inventory"
            )

    async def stop(self) -> None:
        """Stop following the agent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _follow(self) -> None:
        client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=MAX_BYTES)
        failures = 0
        try:
            while True:
                asked = self._monotonic()
                try:
                    problem = await self._ask(client)
                except Exception:
                    log.exception("The request to the agent failed.")
                    problem = Message(
                        "The GPU agent's answer could not be read, which is a bug in the hub."
                        " Please report it with the hub's log."
                    )
                if problem is None:
                    failures = 0
                    await asyncio.sleep(asked + _MIN_ROUND_SECONDS - self._monotonic())
                    continue
                self._cursor = None
                self._report(problem)
                delay = min(_MAX_DELAY_SECONDS, _MIN_DELAY_SECONDS * 2 ** min(failures, 10))
                failures += 1
                # Jitter, so that hub and desk do not retry at the same moment.
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311
        finally:
            client.close()

    async def _ask(self, client: SimpleAsyncHTTPClient) -> str | None:
        """Request one document. Return what went wrong, or ``None``."""
        url = self._url()
        if not url:
            return self._why_no_url()
        try:
            answer = await client.fetch(self._request(url))
            received = self._monotonic()
            envelope = decode(answer.body)
        except DocumentError as error:
            return Message(
                "The GPU agent at {url} sent an inventory that is not valid ({error}), so it was"
                " ignored. Agent and hub probably have different versions: update both.",
                url=url,
                error=str(error),
            )
        except (HTTPError, HTTPInputError, OSError, ValueError) as error:
            return sentences(
                self._silence(url, _explain(error)),
                Message(
                    "Leases continue; nothing is granted until it answers. See the log of the"
                    " agent's container."
                ),
            )
        self._accept(envelope, received)
        return None

    def _silence(self, url: str, why: str) -> Message:
        """Return since when the agent at *url* does not answer."""
        if self._heard_at is None:
            return Message("The GPU agent at {url} has not answered yet: {why}.", url=url, why=why)
        return Message(
            "The GPU agent at {url} has not answered since {moment:%Y-%m-%d %H:%M:%S} UTC: {why}.",
            url=url,
            moment=datetime.fromtimestamp(self._heard_at, tz=UTC),
            why=why,
        )

    def _request(self, url: str) -> HTTPRequest:
        target = url.rstrip("/") + "/v1/inventory"
        if self._cursor is not None:
            target = url_concat(target, {"after": self._cursor, "wait": f"{self._wait:g}"})
        return HTTPRequest(
            target,
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
            connect_timeout=_CONNECT_SECONDS,
            request_timeout=self._wait + _SLACK_SECONDS,
            follow_redirects=False,
            # A few bytes could decompress to more than fits into memory.
            decompress_response=False,
        )

    def _accept(self, envelope: Envelope, received: float) -> None:
        """Take in a document of the agent."""
        report = envelope.report
        self._remote_clock.received(envelope.boot, envelope.clock, received)
        self._heard_at = self._clock()
        news = envelope.cursor != self._cursor
        self._cursor = envelope.cursor
        for sentence in set(report.unidentified) - set(self._unidentified):
            log.warning("%s", sentence)
        self._unidentified = report.unidentified
        if not news:
            return
        if envelope.age is None:
            # It has read nothing since it started, so the last readings are still the latest.
            self._publish(dataclasses.replace(self._reading, problem=report.problem))
            return
        taken = self._remote_clock.to_local(envelope.clock - envelope.age)
        self._publish(
            InventoryReading(
                taken_at=self._clock() - (self._monotonic() - taken),
                readings=tuple(
                    dataclasses.replace(item, mig_enabled=item.gpu.uuid in report.mig_enabled)
                    for item in report.readings
                ),
                driver_version=report.driver_version,
                problem=report.problem,
                links=report.links,
            )
        )

    def _report(self, problem: str) -> None:
        """Publish a problem; the readings stay."""
        if problem != self._reading.problem:
            log.warning("%s", problem)
            self._publish(dataclasses.replace(self._reading, problem=problem))

    def _publish(self, reading: InventoryReading) -> None:
        if self._reading.problem is not None and reading.problem is None:
            log.info("The agent reads %d GPUs.", len(reading.readings))
        self._reading = reading
        for callback in list(self._callbacks.values()):
            try:
                callback(reading)
            except Exception:
                log.exception("A subscriber of the inventory failed.")


def _explain(error: Exception) -> str:
    """Return in a few words why a request failed."""
    if isinstance(error, HTTPTimeoutError):
        return Message("the connection timed out")
    if isinstance(error, HTTPStreamClosedError):
        return Message("the connection was closed")
    if isinstance(error, HTTPError):
        status = Message("it answered with HTTP status {status}", status=error.code)
        return _REFUSALS.get(error.code, status)
    if isinstance(error, ConnectionRefusedError):
        return Message("the connection was refused")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
