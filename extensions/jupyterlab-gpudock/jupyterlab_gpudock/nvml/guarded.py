"""One guarded read of the GPUs, which the watchdog can give up while a call hangs."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyterlab_gpudock.nvml.readings import Reading


class AbandonedError(Exception):
    """The watchdog gave the read up while one of its calls had not returned."""


class GuardedRead:
    """Knows which board is being read, and since when."""

    def __init__(
        self, skip: frozenset[int] = frozenset(), clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Make a guard for one read.

        Args:
            skip: indices of the boards to leave out.
            clock: monotonic seconds.
        """
        self.skip = skip
        self.reading: Reading | None = None
        """The result, once the read has ended."""
        self.error: Exception | None = None
        self.changed = threading.Condition()
        """Notified when the read ends."""
        self.ended = False
        self._clock = clock
        self._board: int | None = None
        self._since: float | None = None
        self._abandoned = False

    @contextlib.contextmanager
    def calling(self, board: int | None) -> Iterator[None]:
        """Guard the calls inside, which go to this board; None is the driver as a whole.

        Raises:
            AbandonedError: at the end, when the read was given up.
        """
        with self.changed:
            self._board, self._since = board, self._clock()
        try:
            yield
        finally:
            with self.changed:
                self._since = None
                abandoned = self._abandoned
        if abandoned:
            raise AbandonedError

    def in_progress(self) -> tuple[int | None, float]:
        """Return the board being read, and for how many seconds so far; call with the lock."""
        if self._since is None:
            return None, 0.0
        return self._board, self._clock() - self._since

    def abandon(self) -> None:
        """Give the read up: it ends when its call returns. Call with the lock."""
        self._abandoned = True

    def finish(self, reading: Reading | None, error: Exception | None) -> None:
        """Set the result; the thread makes no more calls."""
        with self.changed:
            self.reading, self.error, self.ended = reading, error, True
            self.changed.notify_all()
