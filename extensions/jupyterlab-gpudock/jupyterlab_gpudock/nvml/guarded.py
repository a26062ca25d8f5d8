"""One run through the GPUs, watched from another thread, which may give up waiting for it."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyterlab_gpudock.nvml.readings import Reading


class Abandoned(Exception):  # noqa: N818  not an error: nobody waits for the reading any more
    """The attempt was given up while one of its calls had not returned."""


class Attempt:
    """Knows which board is being asked, and since when.

    :param skip: indices of boards that are not to be asked
    :param clock: monotonic seconds
    """

    def __init__(
        self, skip: frozenset[int] = frozenset(), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.skip = skip
        self.reading: Reading | None = None
        """What came of it, once it has ended."""
        self.error: Exception | None = None
        self.moved = threading.Condition()
        """Notified when the attempt ends."""
        self.ended = False
        self._clock = clock
        self._asked: int | None = None
        self._since: float | None = None
        self._abandoned = False

    @contextlib.contextmanager
    def asking(self, board: int | None) -> Iterator[None]:
        """Calls inside go to this board; None stands for the driver as a whole.

        :raises Abandoned: at the end, when nobody waits any more
        """
        with self.moved:
            self._asked, self._since = board, self._clock()
        try:
            yield
        finally:
            with self.moved:
                self._since = None
                abandoned = self._abandoned
        if abandoned:
            raise Abandoned

    def waited_s(self) -> tuple[int | None, float]:
        """Which board is being asked, and for how many seconds already; call with the lock."""
        if self._since is None:
            return None, 0.0
        return self._asked, self._clock() - self._since

    def abandon(self) -> None:
        """Wait no more; the attempt ends by itself when its call returns. Call with the lock."""
        self._abandoned = True

    def finish(self, reading: Reading | None, error: Exception | None) -> None:
        """Say what came of it, and that its thread asks nothing any more."""
        with self.moved:
            self.reading, self.error, self.ended = reading, error, True
            self.moved.notify_all()
