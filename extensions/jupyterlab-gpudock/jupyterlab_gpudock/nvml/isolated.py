"""Readings from a process of its own, so that a crash inside NVIDIA's library ends only that.

The library runs in the caller's process. When it crashes there, which faulty GPUs and mismatched
drivers have made it do, the whole Jupyter server would end with all terminals and unsaved work.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import pickle
import signal
import subprocess
import sys
import time
from multiprocessing import Pipe
from typing import TYPE_CHECKING

from jupyterlab_gpudock.nvml.readings import Reading, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

log = logging.getLogger(__name__)

MIN_PAUSE_S, MAX_PAUSE_S = 1.0, 60.0
"""How long after a crash the process is started again: longer after each one."""
STEADY_S = 60.0
"""A process that lived for so long was well: the next pause is the shortest again."""
ANSWER_S = 60.0
"""How long a reading may take. The process itself waits no longer than seconds for any board."""
_END_S = 2.0

# The server's own path, so that its process and this one read the same code.
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:];"
    " from jupyterlab_gpudock.nvml.child import serve; serve(int(sys.argv[1]))"
)


class IsolatedReader:
    """Reads in a child process, and starts that again after a crash.

    Not for several threads at once: it belongs to the sampler's thread.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, answer_s: float = ANSWER_S
    ) -> None:
        """Make a reader; the process is started by the first reading.

        Args:
            clock: monotonic seconds.
            answer_s: seconds that a reading may take.
        """
        self._clock = clock
        self._answer_s = answer_s
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._started_at = 0.0
        self._start_at = 0.0
        self._pause_s = MIN_PAUSE_S
        self._last = Reading(State.FAILED)

    @property
    def pid(self) -> int | None:
        """PID of the process; ``None`` while there is none."""
        return None if self._process is None else self._process.pid

    def read(self) -> Reading:
        """Read every GPU once. After a crash, return that the reading has ended and why."""
        if self._process is None:
            if self._clock() < self._start_at:
                return self._last
            try:
                self._start()
            except OSError as error:
                return self._failed(f"The program that reads the GPUs does not start: {error}")
        try:
            reading = self._ask()
        except (EOFError, OSError, pickle.UnpicklingError):
            reading = None
        if reading is None:
            return self._failed(self._end())
        self._last = reading
        return reading

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._end()

    def _start(self) -> None:
        ours, theirs = Pipe()
        path = [folder for folder in sys.path if folder]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), *path],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            except OSError:
                ours.close()
                raise
        self._connection = ours
        self._started_at = self._clock()

    def _ask(self) -> Reading | None:
        """Return a reading; ``None`` when there is none in time."""
        assert self._connection is not None
        self._connection.send_bytes(b"read")
        if not self._connection.poll(self._answer_s):
            return None
        answer: Reading = self._connection.recv()
        return answer

    def _end(self) -> str:
        """End the process, and return in a sentence how it ended."""
        process, connection = self._process, self._connection
        assert process is not None
        assert connection is not None
        self._process = self._connection = None
        connection.close()
        status: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Without the connection it ends by itself.
            status = process.wait(_END_S)
        if status is None:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
            return f"The program that reads the GPUs gave no answer for {self._answer_s:.0f} s."
        if status < 0:
            return f"NVIDIA's library crashed ({_name(-status)})."
        return f"The program that reads the GPUs ended unexpectedly (status {status})."

    def _failed(self, detail: str) -> Reading:
        if self._clock() - self._started_at >= STEADY_S:
            self._pause_s = MIN_PAUSE_S
        log.warning(
            "%s Kernels and terminals are not affected. The GPUs are read again in %.0f s.",
            detail,
            self._pause_s,
        )
        self._start_at = self._clock() + self._pause_s
        self._pause_s = min(MAX_PAUSE_S, 2 * self._pause_s)
        state = State.INTERRUPTED
        gpus = tuple(
            dataclasses.replace(gpu, state=state, detail=detail) for gpu in self._last.gpus
        )
        self._last = dataclasses.replace(self._last, state=state, detail=detail, gpus=gpus)
        return self._last


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
