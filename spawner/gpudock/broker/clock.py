"""Two clocks of one process: one that cannot be set, and a steady time of day."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

# A clock that is off by more than this was set; less is how clocks are kept right.
_JUMP_SECONDS = 60.0


class SteadyClock:
    """The time, read so that it neither runs backwards nor jumps unnoticed.

    :meth:`monotonic` cannot be set and says what happened before what; :meth:`time` is the time of
    day.

    Attributes:
        jumps: how far the time of day was set forward since the start, in seconds, minus how far
            it was set back.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, ticks: Callable[[], float] | None = None
    ) -> None:
        """Start the clocks.

        Args:
            clock: returns Unix time, and may be set forward and back.
            ticks: returns the seconds of a clock that cannot be set. By default that of the system
                if *clock* is, otherwise *clock*.
        """
        self._clock = clock
        self._ticks = ticks or (time.monotonic if clock is time.time else clock)
        # The time of day first, here and in time(): what passes between the two readings would
        # otherwise count twice, and put this process ahead of others for good.
        self._unix = clock()
        self._latest = self._ticks()
        self._ticked = self._latest
        self.jumps = 0.0

    def monotonic(self) -> float:
        """Return seconds of a clock that cannot be set, never less than before."""
        self._latest = max(self._latest, self._ticks())
        return self._latest

    def time(self) -> float:
        """Return Unix time.

        When the system corrects its clock by a little, this waits for it, so that time does not
        run backwards. When the clock is set by more, this follows, and :attr:`jumps` changes.
        """
        clock = self._clock()
        ticked = self._ticks()
        expected = self._unix + max(0.0, ticked - self._ticked)
        self._ticked = ticked
        self.monotonic()
        if abs(clock - expected) > _JUMP_SECONDS:
            self.jumps += clock - expected
            log.warning(
                "The clock was set %s by %.0f s. What sessions and requests have left stays as it"
                " is; their times are moved along.",
                "forward" if clock > expected else "back",
                abs(clock - expected),
            )
            self._unix = clock
        else:
            self._unix = max(clock, expected)
        return self._unix

    def ahead(self) -> float:
        """Return by how many seconds :meth:`time` is ahead of the system's clock."""
        return self._unix - self._clock()
