"""Readings in time, even while a board hangs: a board that does not return is left out.

NVML has no time limits. A call to a faulty board may return after minutes or never, and nothing can
end it. So calls run in a thread that can be left behind: at most one for each board that hangs, and
one for the rest.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from typing import TYPE_CHECKING, Protocol

from jupyterlab_gpudock.nvml.guarded import AbandonedError, GuardedRead
from jupyterlab_gpudock.nvml.readings import GPU, Reading, State

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_S = 2.0
"""How long the calls to one board may take together before it counts as hanging."""
MIN_PAUSE_S, MAX_PAUSE_S = 5.0, 300.0
"""How long a board whose call returned is left alone before it is read again."""


class Boards(Protocol):
    """What can be read board by board, as :class:`jupyterlab_gpudock.nvml.reader.GPUReader`."""

    def known(self) -> tuple[GPU, ...]:
        """Return what is known without a call."""

    def read(self, guard: GuardedRead) -> Reading:
        """Read every board except those that the guard skips."""


@dataclasses.dataclass(slots=True)
class _Hang:
    """A board that did not return in time."""

    guard: GuardedRead
    """Ends when the call has returned."""
    since: float
    hangs: int = 1
    returned_at: float | None = None
    """When the call was seen to have returned."""

    @property
    def pause_s(self) -> float:
        return min(MAX_PAUSE_S, MIN_PAUSE_S * 2.0 ** (self.hangs - 1))


class WatchdogReader:
    """Reads boards, and waits for none longer than a time limit.

    Not for several threads at once: it belongs to the sampler's thread.
    """

    def __init__(
        self,
        boards: Boards,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a reader.

        Args:
            boards: what is read.
            timeout_s: seconds that the calls to one board may take together.
            clock: monotonic seconds.
        """
        self._boards = boards
        self._timeout_s = timeout_s
        self._clock = clock
        self._worker = _Worker()
        self._hangs: dict[int, _Hang] = {}
        self._stuck: GuardedRead | None = None
        self._stuck_since = 0.0

    def read(self) -> Reading:
        """Read every board; those that hang are reported as hanging.

        Takes at most the time limit for each board that newly hangs, and the time of the rest.
        """
        if self._stuck is not None:
            if not self._stuck.ended:
                return self._whole_driver_hangs()
            self._stuck = None
        while True:
            guard = GuardedRead(self._skipped(), self._clock)
            self._worker.start(functools.partial(self._run, guard))
            hanging = self._wait(guard)
            if guard.ended:
                if guard.error is not None:
                    raise guard.error
                assert guard.reading is not None
                self._forget_recovered(guard.skip)
                return self._with_details(guard.reading)
            # The thread is left to its call, and another one takes over.
            self._worker.stop()
            self._worker = _Worker()
            if hanging is None:
                self._stuck, self._stuck_since = guard, self._clock()
                return self._whole_driver_hangs()
            before = self._hangs.get(hanging)
            self._hangs[hanging] = _Hang(
                guard, self._clock(), hangs=before.hangs + 1 if before else 1
            )

    def close(self) -> None:
        """End the thread as soon as its call returns."""
        self._worker.stop()

    def _run(self, guard: GuardedRead) -> None:
        try:
            reading = self._boards.read(guard)
        except AbandonedError:
            guard.finish(None, None)
        except Exception as error:  # noqa: BLE001  handed to the thread that waits
            guard.finish(None, error)
        else:
            guard.finish(reading, None)

    def _wait(self, guard: GuardedRead) -> int | None:
        """Wait for the read to end (``guard.ended``) or hang.

        Returns:
            The board that hangs; None for the driver as a whole, or when the read has ended.
        """
        with guard.changed:
            while not guard.ended:
                board, waited_s = guard.in_progress()
                if waited_s >= self._timeout_s:
                    guard.abandon()
                    return board
                guard.changed.wait(self._timeout_s - waited_s)
        return None

    def _skipped(self) -> frozenset[int]:
        now = self._clock()
        skipped = set()
        for board, hang in self._hangs.items():
            if not hang.guard.ended:
                skipped.add(board)
                continue
            if hang.returned_at is None:
                hang.returned_at = now
            if now - hang.returned_at < hang.pause_s:
                skipped.add(board)
        return frozenset(skipped)

    def _forget_recovered(self, skipped: frozenset[int]) -> None:
        """Forget the hangs of boards that have since worked for as long as their pause was."""
        now = self._clock()
        for board, hang in tuple(self._hangs.items()):
            if board in skipped or hang.returned_at is None:
                continue
            if now - hang.returned_at >= 2 * hang.pause_s:
                del self._hangs[board]

    def _with_details(self, reading: Reading) -> Reading:
        gpus = tuple(self._with_detail(gpu) for gpu in reading.gpus)
        detail = reading.detail
        if reading.state is State.HANGING and gpus:
            detail = gpus[0].detail
        return dataclasses.replace(reading, gpus=gpus, detail=detail)

    def _with_detail(self, gpu: GPU) -> GPU:
        hang = self._hangs.get(int(gpu.index.partition(":")[0]))
        if gpu.state is not State.HANGING or hang is None:
            return gpu
        return dataclasses.replace(gpu, detail=self._detail(hang))

    def _detail(self, hang: _Hang) -> str:
        if hang.returned_at is None:
            return _not_returned(self._clock() - hang.since + self._timeout_s)
        return f"A call to NVML took {hang.returned_at - hang.since + self._timeout_s:.0f} s"

    def _whole_driver_hangs(self) -> Reading:
        detail = _not_returned(self._clock() - self._stuck_since + self._timeout_s)
        gpus = tuple(
            dataclasses.replace(gpu, state=State.HANGING, detail=detail)
            for gpu in self._boards.known()
        )
        return Reading(State.HANGING, detail, gpus=gpus)


def _not_returned(seconds: float) -> str:
    return f"A call to NVML has not returned for {seconds:.0f} s"


class _Worker:
    """A thread that runs one job after the other, until it is stopped."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._job: Callable[[], None] | None = None
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self, job: Callable[[], None]) -> None:
        """Run the job; the one before has ended."""
        with self._wake:
            self._job = job
            self._wake.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="gpudock-nvml", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread as soon as its job ends."""
        with self._wake:
            self._stopped = True
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while self._job is None and not self._stopped:
                    self._wake.wait()
                if self._stopped:
                    return
                job, self._job = self._job, None
            assert job is not None
            job()
