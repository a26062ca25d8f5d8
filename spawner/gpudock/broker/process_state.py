"""What one process knows and no database needs to: who is making which container right now.

A look at the engine takes time. Whatever happened after it began may be missing in it, so the
process remembers when it last touched each lease; what a former process did happened before any
look of this one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_KEEP_SECONDS = 3600.0

# A clock that is off by more than this was set; less is how clocks are kept right.
_JUMP_SECONDS = 60.0


class Memory:
    """Facts about leases that only the process itself has.

    It has two clocks. :meth:`now` cannot be set, and tells what happened before what.
    :meth:`steady` is the time of day.

    Attributes:
        jumps: by how much the time of day was set forward since the beginning, seconds; what it
            was set back is taken off.
    """

    def __init__(
        self, clock: Callable[[], float], ticks: Callable[[], float] | None = None
    ) -> None:
        """Remember nothing yet.

        Args:
            clock: returns Unix time, and may be set forward and back.
            ticks: returns seconds since some moment, and cannot be set; *clock* by default.
        """
        self._clock = clock
        self._ticks = ticks or clock
        # The time of day first, here and in steady(): what passes between the two readings would
        # else count twice, and put this process ahead of others for good.
        self._unix = clock()
        self._latest = self._ticks()
        self._ticked = self._latest
        self.jumps = 0.0
        self._in_flight: set[str] = set()
        self._touched: dict[str, float] = {}
        self._granted: dict[str, float] = {}
        self._claimed: set[str] = set()
        self._begun: set[str] = set()
        self._doomed: dict[str, str] = {}
        self._ended: dict[str, float] = {}

    def now(self) -> float:
        """Return seconds of a clock that cannot be set, never less than before."""
        self._latest = max(self._latest, self._ticks())
        return self._latest

    def steady(self) -> float:
        """Return Unix time.

        A clock that is put right by a little is waited for, so that time does not run backwards;
        when it is set by more, this follows, and :attr:`jumps` grows by as much (or shrinks).
        """
        clock = self._clock()
        ticked = self._ticks()
        expected = self._unix + max(0.0, ticked - self._ticked)
        self._ticked = ticked
        self.now()
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
        """Return by how much :meth:`steady` is ahead of the clock, seconds."""
        return self._unix - self._clock()

    def granted(self, lease_id: str) -> None:
        """Note that this process granted a lease."""
        self._granted[lease_id] = self._touched[lease_id] = self.now()

    def claimed(self, lease_id: str) -> None:
        """Note that somebody in this process was told of a lease and will use it."""
        if lease_id not in self._claimed:
            self._claimed.add(lease_id)
            self._granted[lease_id] = self._touched[lease_id] = self.now()

    def begun(self, lease_id: str) -> None:
        """Note that a container is being made for a lease."""
        self._in_flight.add(lease_id)
        self._begun.add(lease_id)
        self._claimed.add(lease_id)
        self._granted.setdefault(lease_id, self.now())
        self._touched[lease_id] = self.now()

    def finished(self, lease_id: str) -> None:
        """Note that the making of a container is over, one way or the other."""
        self._in_flight.discard(lease_id)
        self._touched[lease_id] = self.now()

    def touched(self, lease_id: str) -> None:
        """Note that something happened to a lease or its container."""
        self._touched[lease_id] = self.now()

    def ended(self, lease_id: str) -> None:
        """Note that a lease ended, and forget what is old."""
        now = self.now()
        self._ended[lease_id] = now
        for known in (self._touched, self._granted):
            known.pop(lease_id, None)
        self._claimed.discard(lease_id)
        self._begun.discard(lease_id)
        self._doomed.pop(lease_id, None)
        for old in [key for key, at in self._ended.items() if at < now - _KEEP_SECONDS]:
            del self._ended[old]

    def doom(self, lease_id: str, reason: str) -> None:
        """Note that a lease is to end, which could not be written down."""
        self._doomed[lease_id] = reason

    def doomed(self) -> dict[str, str]:
        """Return the leases that are to end, with the reasons."""
        return dict(self._doomed)

    def is_in_flight(self, lease_id: str) -> bool:
        """Tell whether a container is being made for a lease right now."""
        return lease_id in self._in_flight

    def has_begun(self, lease_id: str) -> bool:
        """Tell whether this process ever began to make a container for a lease."""
        return lease_id in self._begun

    def is_claimed(self, lease_id: str) -> bool:
        """Tell whether somebody in this process knows of a lease."""
        return lease_id in self._claimed

    def is_own(self, lease_id: str) -> bool:
        """Tell whether this process granted a lease or handed it out."""
        return lease_id in self._granted

    def granted_at(self, lease_id: str) -> float:
        """Return when this process granted or handed out a lease of its own."""
        return self._granted[lease_id]

    def since(self, lease_id: str, moment: float) -> bool:
        """Tell whether a look that began at *moment* may have missed what became of a lease."""
        return lease_id in self._in_flight or self._touched.get(lease_id, float("-inf")) >= moment

    def ended_since(self, lease_id: str, moment: float) -> bool:
        """Tell whether a lease ended after *moment*, or at it."""
        return self._ended.get(lease_id, float("-inf")) >= moment
