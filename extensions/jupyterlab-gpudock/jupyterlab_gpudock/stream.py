"""One stream of snapshots for every client: encoded once, never queued."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from tornado.ioloop import PeriodicCallback

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyterlab_gpudock.readings import Snapshot
    from jupyterlab_gpudock.sampler import Sampler


class Client(Protocol):
    """A connection that takes frames."""

    def offer(self, frame: bytes) -> None:
        """Send the frame now, or drop it when the last one is still on its way."""


class Stream:
    """Gives each snapshot to every client, and says so when snapshots fail to come.

    Frames are JSON documents of ``type`` ``snapshot``, ``stale`` (no reading for ``age_s``
    seconds) or ``waiting`` (there was no reading yet).
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._clients: set[Client] = set()
        self._stop_watching: Callable[[], None] | None = None
        self._frame: bytes = b""
        self._watchdog = PeriodicCallback(self._tell_if_stale, 1000 * sampler.stale_after_s)

    def join(self, client: Client) -> None:
        """Add a client; the first one starts the sampling."""
        self._clients.add(client)
        if self._stop_watching is None:
            self._stop_watching = self._sampler.watch(self._publish)
            self._watchdog.start()
        elif self._frame:
            client.offer(self._frame)

    def leave(self, client: Client) -> None:
        """Remove a client; the last one ends the sampling. Leaving twice is leaving once."""
        self._clients.discard(client)
        if not self._clients and self._stop_watching is not None:
            self._stop_watching()
            self._stop_watching = None
            self._watchdog.stop()
            self._frame = b""

    def _publish(self, snapshot: Snapshot) -> None:
        self._send(self._sampler.document(snapshot))

    def _tell_if_stale(self) -> None:
        newest = self._sampler.newest
        if newest is None:
            self._send({"type": "waiting"})
        elif (age_s := self._sampler.age_s(newest)) > self._sampler.stale_after_s:
            self._send({"type": "stale", "age_s": round(age_s, 1)})

    def _send(self, document: dict[str, object]) -> None:
        self._frame = json.dumps(document, separators=(",", ":")).encode()
        for client in tuple(self._clients):
            client.offer(self._frame)
