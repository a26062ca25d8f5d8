"""One thread that reads the GPUs while somebody looks, however many they are."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from jupyterlab_gpudock.readings import Reading, Snapshot, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyterlab_gpudock.nvml import Gate

HISTORY_SECONDS = 600.0
SHORTEST_INTERVAL_S, LONGEST_INTERVAL_S = 0.5, 60.0

log = logging.getLogger(__name__)


def clamp_interval(seconds: float) -> float:
    """The interval that is used for a wished one: 0.5 s to 60 s."""
    return min(max(seconds, SHORTEST_INTERVAL_S), LONGEST_INTERVAL_S)


class Sampler:
    """Reads the gate in a thread of its own and hands snapshots to the event loop.

    All public methods belong to the event loop's thread. NVML may hang: then the thread waits,
    and the newest snapshot grows old, but nobody else is held up.

    :param gate: where readings come from
    :param interval_s: seconds between two readings, clamped to 0.5…60
    :param clock: monotonic seconds
    :param wall_clock: seconds since 1970
    """

    def __init__(
        self,
        gate: Gate,
        interval_s: float = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._gate = gate
        self.interval_s = clamp_interval(interval_s)
        self._clock = clock
        self._wall_clock = wall_clock
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watchers = 0
        self._asked_once = False
        self._closed = False
        self._handover: Snapshot | None = None
        self._newest: Snapshot | None = None
        self._history: deque[Snapshot] = deque()
        self._listeners: set[Callable[[Snapshot], None]] = set()
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def newest(self) -> Snapshot | None:
        """The last snapshot, however old; None before the first."""
        return self._newest

    @property
    def stale_after_s(self) -> float:
        """A snapshot older than this many seconds is not what the GPUs do now."""
        return 2 * self.interval_s + 1.0

    def age_s(self, snapshot: Snapshot) -> float:
        """Seconds since the snapshot was taken."""
        return max(0.0, self._clock() - snapshot.taken_at)

    def document(self, snapshot: Snapshot) -> dict[str, object]:
        """The snapshot as JSON-ready data, with its age and whether it is stale by now."""
        age_s = self.age_s(snapshot)
        return snapshot.document(age_s=age_s, stale=age_s > self.stale_after_s)

    def history(self) -> tuple[Snapshot, ...]:
        """The snapshots of the last 10 minutes, oldest first; gaps are where nobody looked."""
        self._forget_old()
        return tuple(self._history)

    def watch(self, listener: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Sample for as long as somebody watches; the listener gets each snapshot, in the loop.

        :returns: a function that ends this watch; calling it again does nothing
        """
        self._listeners.add(listener)
        self._count_watchers()

        def stop() -> None:
            self._listeners.discard(listener)
            self._count_watchers()

        return stop

    async def fresh(self, timeout_s: float) -> Snapshot | None:
        """A snapshot no older than one interval, taken now if need be.

        :param timeout_s: seconds to wait for it
        :returns: the newest one there is when the time is over, None when there never was one
        """
        if self._newest is not None and self.age_s(self._newest) <= self.interval_s:
            return self._newest
        done = asyncio.get_running_loop().create_future()
        self._waiting.add(done)
        self._start_thread()
        with self._wake:
            self._asked_once = True
            self._wake.notify()
        try:
            await asyncio.wait_for(done, timeout_s)
        except TimeoutError:
            return self._newest
        finally:
            self._waiting.discard(done)
        return self._newest

    def close(self) -> None:
        """End the thread as soon as NVML lets go of it; does not wait for that."""
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
        self._history.append(snapshot)
        self._forget_old()
        for done in self._waiting:
            if not done.done():
                done.set_result(None)
        for listener in tuple(self._listeners):
            listener(snapshot)

    def _forget_old(self) -> None:
        while self._history and self.age_s(self._history[0]) > HISTORY_SECONDS:
            self._history.popleft()

    # -- in the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        sequence = 0
        due = self._clock()
        while self._wait_until_wanted(due):
            due = self._clock() + self.interval_s
            reading = self._read()
            sequence += 1
            self._hand_over(
                Snapshot(sequence, self._wall_clock(), self._clock(), self.interval_s, reading)
            )
            # A gate that is slower than the interval gets a pause all the same.
            due = max(due, self._clock() + self.interval_s / 4)

    def _wait_until_wanted(self, due: float) -> bool:
        """Sleep until a reading is due and wanted; False when the sampler is closed."""
        with self._wake:
            while not self._closed:
                if self._asked_once:
                    break
                left = due - self._clock()
                if self._watchers and left <= 0:
                    break
                self._wake.wait(left if self._watchers else None)
            self._asked_once = False
            return not self._closed

    def _read(self) -> Reading:
        try:
            return self._gate.read()
        except Exception as error:
            log.exception("Reading the GPUs failed in an unexpected way")
            return Reading(State.FAILED, f"{type(error).__name__}: {error}")

    def _hand_over(self, snapshot: Snapshot) -> None:
        with self._wake:
            is_first = self._handover is None
            self._handover = snapshot
        # One call is enough for a busy loop: it will find the newest snapshot.
        if is_first and self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._receive)
            except RuntimeError:
                self.close()  # the loop is closed: the server has ended
