"""One thread that reads the GPUs while somebody is watching, for any number of clients."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from typing import TYPE_CHECKING, Protocol

from jupyterlab_gpudock.nvml.readings import Reading, Snapshot, State
from jupyterlab_gpudock.stream.history import History
from jupyterlab_gpudock.stream.interval import clamp_interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyterlab_gpudock.stream.history import Row

log = logging.getLogger(__name__)


class Reader(Protocol):
    """What the sampler reads."""

    def read(self) -> Reading:
        """Read every GPU once. May block; does not raise for a fault of a GPU."""


class Sampler:
    """Reads in a thread of its own, and passes snapshots to the event loop.

    All public methods belong to the event loop's thread. When NVML hangs, the thread waits and the
    newest snapshot ages, but nothing else is blocked.
    """

    def __init__(
        self,
        reader: Reader,
        interval_s: float = 1.0,
        *,
        annotate: Callable[[Reading], Reading] = lambda reading: reading,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Make a sampler; nothing is read before somebody watches.

        Args:
            reader: where readings come from.
            interval_s: seconds between two readings, clamped to 0.5…60.
            annotate: adds to a reading what NVML does not know; called in the sampler's thread.
            clock: monotonic seconds.
            wall_clock: seconds since 1970.
        """
        self._reader = reader
        self._annotate = annotate
        self._interval_s = clamp_interval(interval_s)
        self._clock = clock
        self._wall_clock = wall_clock
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watchers = 0
        self._requested = False
        self._closed = False
        self._handover: Snapshot | None = None
        self._newest: Snapshot | None = None
        self._history = History()
        self._listeners: set[Callable[[Snapshot], None]] = set()
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def newest(self) -> Snapshot | None:
        """The newest snapshot, of any age; None before the first."""
        return self._newest

    @property
    def interval_s(self) -> float:
        """Seconds between two readings while somebody is watching."""
        return self._interval_s

    def set_interval(self, seconds: float) -> None:
        """Read at another rate from now on, clamped to 0.5…60 s."""
        with self._wake:
            self._interval_s = clamp_interval(seconds)
            self._wake.notify()

    @property
    def stale_after_s(self) -> float:
        """Age in seconds from which a snapshot no longer shows the present."""
        return 2 * self.interval_s + 1.0

    def age_s(self, snapshot: Snapshot) -> float:
        """Return the seconds since the snapshot was taken."""
        return max(0.0, self._clock() - snapshot.taken_at)

    def document(self, snapshot: Snapshot) -> dict[str, object]:
        """Return the snapshot as JSON-ready data, with its age and whether it is stale."""
        age_s = self.age_s(snapshot)
        return snapshot.document(age_s=age_s, stale=age_s > self.stale_after_s)

    def history(self) -> tuple[Row, ...]:
        """Return the last 10 minutes, oldest first; gaps are where nobody watched."""
        self._history.forget(self._clock())
        return self._history.rows()

    def watch(self, listener: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Sample until the watch ends; the listener gets each snapshot, in the event loop.

        Returns:
            A function that ends this watch; calling it again does nothing.
        """
        self._listeners.add(listener)
        self._count_watchers()

        def stop() -> None:
            self._listeners.discard(listener)
            self._count_watchers()

        return stop

    async def fresh(self, timeout_s: float) -> Snapshot | None:
        """Return a snapshot no older than one interval, taken now if necessary.

        After *timeout_s* seconds, return the newest one there is; None if there never was one.
        """
        if self._newest is not None and self.age_s(self._newest) <= self.interval_s:
            return self._newest
        done = asyncio.get_running_loop().create_future()
        self._waiting.add(done)
        self._start_thread()
        with self._wake:
            self._requested = True
            self._wake.notify()
        try:
            async with asyncio.timeout(timeout_s):
                await done
        except TimeoutError:
            return self._newest
        finally:
            self._waiting.discard(done)
        return self._newest

    def close(self) -> None:
        """End the thread as soon as NVML returns; do not wait for that."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    # -- in the event loop ------------------------------------------------------------------

    def _count_watchers(self) -> None:
        if self._listeners:
            self._start_thread()
        with self._wake:
            self._watchers = len(self._listeners)
            self._wake.notify()

    def _start_thread(self) -> None:
        if self._thread is None and not self._closed:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._run, name="gpudock-sampler", daemon=True)
            self._thread.start()

    def _receive(self) -> None:
        with self._wake:
            snapshot, self._handover = self._handover, None
        if snapshot is None:
            return
        self._newest = snapshot
        self._history.add(snapshot)
        for done in self._waiting:
            if not done.done():
                done.set_result(None)
        for listener in tuple(self._listeners):
            listener(snapshot)

    # -- in the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        sequence = 0
        began = ended = -math.inf
        while self._wait_until_due(began, ended):
            began = self._clock()
            reading = self._read()
            sequence += 1
            ended = self._clock()
            self._hand_over(Snapshot(sequence, self._wall_clock(), ended, self.interval_s, reading))

    def _wait_until_due(self, began: float, ended: float) -> bool:
        """Sleep until a reading is due and somebody wants it.

        Args:
            began: when the last one began.
            ended: when it ended; a reader that is slower than the interval gets a pause too.

        Returns:
            Whether to read; False when the sampler is closed.
        """
        with self._wake:
            while not self._closed:
                if self._requested:
                    break
                due = max(began + self._interval_s, ended + self._interval_s / 4)
                left = due - self._clock()
                if self._watchers and left <= 0:
                    break
                self._wake.wait(left if self._watchers else None)
            self._requested = False
            return not self._closed

    def _read(self) -> Reading:
        try:
            return self._annotate(self._reader.read())
        except Exception as error:
            log.exception("Reading the GPUs failed in an unexpected way")
            return Reading(State.FAILED, f"{type(error).__name__}: {error}")

    def _hand_over(self, snapshot: Snapshot) -> None:
        with self._wake:
            is_first = self._handover is None
            self._handover = snapshot
        # One call is enough for a busy loop: it takes the newest snapshot.
        if is_first and self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._receive)
            except RuntimeError:
                self.close()  # the loop is closed: the server has ended
