"""One stream of frames for every client: encoded once, never queued, and as deltas."""

from __future__ import annotations

import json
import operator
from typing import TYPE_CHECKING, Any, Protocol

from tornado.ioloop import PeriodicCallback

from jupyterlab_gpudock.nvml.readings import CHANGING, GPU

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyterlab_gpudock.nvml.readings import Snapshot
    from jupyterlab_gpudock.stream.sampler import Sampler


def encode(document: dict[str, Any]) -> bytes:
    """Return the document as a frame, without spaces."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


class Client(Protocol):
    """A connection that takes frames."""

    def offer(self, frame: bytes) -> bool:
        """Send the frame and return True, or drop it while the last one is on its way."""

    def insist(self, topic: str, frame: bytes) -> None:
        """Send the frame as soon as possible; a newer one on the same topic replaces it."""


class Stream:
    """Sends each snapshot to every client, and reports when snapshots fail to come.

    A client that has the previous snapshot gets what changed since; one that missed it gets
    everything. Frames are the documents of the contract.
    """

    def __init__(
        self, sampler: Sampler, on_snapshot: Callable[[Snapshot], None] | None = None
    ) -> None:
        """Make a stream.

        Args:
            sampler: where snapshots come from.
            on_snapshot: called with each one, before it is sent.
        """
        self._sampler = sampler
        self._default_interval_s = sampler.interval_s
        self._on_snapshot = on_snapshot
        self._clients: dict[Client, int | None] = {}
        """By client, the sequence of the snapshot that it shows; None: nothing."""
        self._rates: dict[Client, float] = {}
        self._stop_watching: Callable[[], None] | None = None
        self._last: Snapshot | None = None
        self._is_stale = False
        self._watchdog: PeriodicCallback | None = None

    def join(self, client: Client) -> None:
        """Add a client; the first one starts the sampling."""
        self._clients[client] = None
        if self._stop_watching is None:
            self._stop_watching = self._sampler.watch(self._publish)
            self._watch_for_silence()
        elif self._last is not None:
            self._send(client, self._last.sequence, self._whole(self._last))

    def leave(self, client: Client) -> None:
        """Remove a client; the last one ends the sampling. Leaving twice does nothing."""
        if self._clients.pop(client, -1) == -1:
            return
        if self._rates.pop(client, None) is not None:
            self._set_rate()
        if not self._clients and self._stop_watching is not None:
            self._stop_watching()
            self._stop_watching = None
            self._last = None
            if self._watchdog is not None:
                self._watchdog.stop()

    def request_rate(self, client: Client, interval_s: float | None) -> None:
        """Read at this client's rate, unless another one requests a faster one.

        Args:
            client: a client of this stream.
            interval_s: seconds, clamped by the sampler; None for the server's setting.
        """
        if client not in self._clients:
            return
        if interval_s is None:
            self._rates.pop(client, None)
        else:
            self._rates[client] = interval_s
        self._set_rate()

    def send(self, document: dict[str, Any], topic: str) -> None:
        """Send every client a document that is not a reading: at least the last on its topic."""
        frame = encode(document)
        for client in tuple(self._clients):
            client.insist(topic, frame)

    def _set_rate(self) -> None:
        rates = [*self._rates.values()]
        if len(rates) < len(self._clients) or not rates:
            rates.append(self._default_interval_s)
        before = self._sampler.interval_s
        self._sampler.set_interval(min(rates))
        if self._sampler.interval_s != before and self._stop_watching is not None:
            self._watch_for_silence()

    def _watch_for_silence(self) -> None:
        if self._watchdog is not None:
            self._watchdog.stop()
        self._watchdog = PeriodicCallback(self._report_silence, 1000 * self._sampler.stale_after_s)
        self._watchdog.start()

    def _report_silence(self) -> None:
        newest = self._sampler.newest
        if newest is None:
            self.send({"type": "waiting"}, "silence")
        elif (age_s := self._sampler.age_s(newest)) > self._sampler.stale_after_s:
            self._is_stale = True
            self.send({"type": "stale", "age_s": round(age_s, 1)}, "silence")

    def _publish(self, snapshot: Snapshot) -> None:
        if self._on_snapshot is not None:
            self._on_snapshot(snapshot)
        base, self._last = self._last, snapshot
        change: bytes | None = None
        if base is not None and not self._is_stale:
            document = delta(base, snapshot)
            change = None if document is None else encode(document)
        self._is_stale = False
        whole: bytes | None = None
        for client, has in tuple(self._clients.items()):
            if change is not None and base is not None and has == base.sequence:
                frame = change
            else:
                frame = whole = whole or self._whole(snapshot)
            self._send(client, snapshot.sequence, frame)

    def _whole(self, snapshot: Snapshot) -> bytes:
        return encode(self._sampler.document(snapshot))

    def _send(self, client: Client, sequence: int, frame: bytes) -> None:
        # A client that could not take it keeps what it has, and gets everything the next time.
        if client.offer(frame) and client in self._clients:
            self._clients[client] = sequence


def delta(base: Snapshot, snapshot: Snapshot) -> dict[str, Any] | None:
    """Return what changed between two snapshots, or None when a delta cannot express it."""
    before, after = base.reading, snapshot.reading
    if (
        base.interval_s != snapshot.interval_s
        or (before.state, before.detail) != (after.state, after.detail)
        or (before.driver, before.driver_cuda) != (after.driver, after.driver_cuda)
        or len(before.gpus) != len(after.gpus)
    ):
        return None
    pairs = list(zip(before.gpus, after.gpus, strict=True))
    if any(_fixed(old) != _fixed(new) for old, new in pairs):
        return None
    columns = {}
    for name in CHANGING:
        column = [
            None if getattr(old, name) == getattr(new, name) else getattr(new, name)
            for old, new in pairs
        ]
        if any(value is not None for value in column):
            columns[name] = column
    document: dict[str, Any] = {
        "type": "delta",
        "sequence": snapshot.sequence,
        "base": base.sequence,
        "time": round(snapshot.time, 3),
        "columns": columns,
    }
    processes = {
        str(place): new.document()["processes"]
        for place, (old, new) in enumerate(pairs)
        if old.processes != new.processes
    }
    if processes:
        document["processes"] = processes
    return document


_fixed = operator.attrgetter(*sorted(set(GPU.__slots__) - {*CHANGING, "processes"}))
"""What a delta cannot change on a GPU."""
