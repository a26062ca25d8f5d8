"""Readings that come in time, whatever hangs: a board that does not answer is left out.

NVML has no time limits. A call to a board that has gone astray may return after minutes or never,
and nothing can end it. So calls are made in a thread that can be left behind: at most one for each
board that hangs, and one for the rest.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from typing import TYPE_CHECKING, Protocol

from jupyterlab_gpudock.nvml.guarded import Abandoned, Attempt
from jupyterlab_gpudock.nvml.readings import GPU, Reading, State

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 2.0
"""How long calls to one board may take together before it counts as hanging."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0
"""How long a board that came back from a hang is left alone before it is asked again."""


class Board(Protocol):
    """What can be read board by board, as :class:`jupyterlab_gpudock.nvml.reader.NVML`."""

    def known(self) -> tuple[GPU, ...]:
        """What is known without asking."""

    def read(self, attempt: Attempt) -> Reading:
        """Look at every board but those that the attempt skips."""


@dataclasses.dataclass(slots=True)
class _Hang:
    """A board that did not answer in time."""

    attempt: Attempt
    """Ends when the call has returned."""
    since: float
    hangs: int = 1
    back_at: float | None = None
    """When the call was seen to have returned."""

    @property
    def pause_s(self) -> float:
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (self.hangs - 1))


class Patient:
    """Reads boards, and waits for none longer than its patience.

    Not for several threads at once: the sampler's thread owns it.

    :param boards: what is read
    :param patience_s: seconds that calls to one board may take together
    :param clock: monotonic seconds
    """

    def __init__(
        self,
        boards: Board,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._boards = boards
        self._patience_s = patience_s
        self._clock = clock
        self._worker = _Worker()
        self._hangs: dict[int, _Hang] = {}
        self._stuck: Attempt | None = None
        self._stuck_since = 0.0

    def read(self) -> Reading:
        """Look at every board; those that hang are told as hanging.

        :returns: within the patience for each board that newly hangs, and the time of the rest
        """
        if self._stuck is not None:
            if not self._stuck.ended:
                return self._whole_driver_hangs()
            self._stuck = None
        while True:
            attempt = Attempt(self._skipped(), self._clock)
            self._worker.start(functools.partial(self._run, attempt))
            hanging = self._wait(attempt)
            if attempt.ended:
                if attempt.error is not None:
                    raise attempt.error
                assert attempt.reading is not None
                self._forget_cured(attempt.skip)
                return self._with_details(attempt.reading)
            # The thread is left to its call, and another one takes over.
            self._worker.stop()
            self._worker = _Worker()
            if hanging is None:
                self._stuck, self._stuck_since = attempt, self._clock()
                return self._whole_driver_hangs()
            before = self._hangs.get(hanging)
            self._hangs[hanging] = _Hang(
                attempt, self._clock(), hangs=before.hangs + 1 if before else 1
            )

    def close(self) -> None:
        """Let the thread end."""
        self._worker.stop()

    def _run(self, attempt: Attempt) -> None:
        try:
            reading = self._boards.read(attempt)
        except Abandoned:
            attempt.finish(None, None)
        except Exception as error:  # noqa: BLE001  handed to the thread that waits
            attempt.finish(None, error)
        else:
            attempt.finish(reading, None)

    def _wait(self, attempt: Attempt) -> int | None:
        """Wait for the attempt to end, or for a board to hang; which one, or None for the driver.

        The caller tells the cases apart by ``attempt.ended``.
        """
        with attempt.moved:
            while not attempt.ended:
                board, waited_s = attempt.waited_s()
                if waited_s >= self._patience_s:
                    attempt.abandon()
                    return board
                attempt.moved.wait(self._patience_s - waited_s)
        return None

    def _skipped(self) -> frozenset[int]:
        now = self._clock()
        skipped = set()
        for board, hang in self._hangs.items():
            if not hang.attempt.ended:
                skipped.add(board)
                continue
            if hang.back_at is None:
                hang.back_at = now
            if now - hang.back_at < hang.pause_s:
                skipped.add(board)
        return frozenset(skipped)

    def _forget_cured(self, skipped: frozenset[int]) -> None:
        """A board that has answered again for as long as it was left alone is well."""
        now = self._clock()
        for board, hang in tuple(self._hangs.items()):
            if board in skipped or hang.back_at is None:
                continue
            if now - hang.back_at >= 2 * hang.pause_s:
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
        return dataclasses.replace(gpu, detail=self._words_on(hang))

    def _words_on(self, hang: _Hang) -> str:
        if hang.back_at is None:
            return _words(self._clock() - hang.since + self._patience_s)
        return f"A call to NVML took {hang.back_at - hang.since + self._patience_s:.0f} s"

    def _whole_driver_hangs(self) -> Reading:
        detail = _words(self._clock() - self._stuck_since + self._patience_s)
        gpus = tuple(
            dataclasses.replace(gpu, state=State.HANGING, detail=detail)
            for gpu in self._boards.known()
        )
        return Reading(State.HANGING, detail, gpus=gpus)


def _words(seconds: float) -> str:
    return f"A call to NVML has not returned for {seconds:.0f} s"


class _Worker:
    """A thread that runs one job after the other, and ends when it is stopped or left behind."""

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
