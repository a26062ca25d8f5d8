"""What only this process knows of leases: who is making which container right now.

Looking at the engine takes time, and may miss what happened after it began. So the process keeps
when it last changed each lease. Changes by a former process were before any look of this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_KEEP_SECONDS = 3600.0
_NEVER = float("-inf")


@dataclass(slots=True)
class LocalLease:
    """What this process knows of one lease; times are those of a clock that cannot be set.

    Attributes:
        in_flight: its container is being made right now.
        begun: this process began to make its container.
        claimed: somebody in this process has the lease and will use it.
        granted_at: when this process granted it, or handed it out; ``None``: it did neither.
        touched_at: when something last happened to it or its container.
        doomed: why it is to stop, if that could not be stored.
        ended_at: when it ended.
    """

    in_flight: bool = False
    begun: bool = False
    claimed: bool = False
    granted_at: float | None = None
    touched_at: float = _NEVER
    doomed: str | None = None
    ended_at: float = _NEVER


class ProcessState:
    """What this process knows of leases, by id."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Know nothing yet.

        Args:
            monotonic: returns seconds of a clock that cannot be set.
        """
        self.monotonic = monotonic
        self._leases: dict[str, LocalLease] = {}

    def get(self, lease_id: str) -> LocalLease:
        """Return what is known of a lease, to read only."""
        return self._leases.get(lease_id) or LocalLease()

    def touch(self, lease_id: str) -> LocalLease:
        """Note that something happens to a lease now, and return what is known of it."""
        lease = self._leases.setdefault(lease_id, LocalLease())
        lease.touched_at = self.monotonic()
        return lease

    def note_grant(self, lease_id: str) -> None:
        """Note that this process granted a lease."""
        lease = self.touch(lease_id)
        lease.granted_at = lease.touched_at

    def claim(self, lease_id: str) -> None:
        """Note that somebody in this process has a lease and will use it."""
        if not self.get(lease_id).claimed:
            self.note_grant(lease_id)
            self._leases[lease_id].claimed = True

    def begin(self, lease_id: str) -> None:
        """Note that a container is being made for a lease."""
        lease = self.touch(lease_id)
        lease.in_flight = lease.begun = lease.claimed = True
        if lease.granted_at is None:
            lease.granted_at = lease.touched_at

    def finish(self, lease_id: str) -> None:
        """Note that the making of a container is over, one way or the other."""
        self.touch(lease_id).in_flight = False

    def doom(self, lease_id: str, reason: str) -> None:
        """Note that a lease is to stop, which could not be stored."""
        self._leases.setdefault(lease_id, LocalLease()).doomed = reason

    def doomed(self) -> dict[str, str]:
        """Return the leases that are to stop, with the reasons."""
        return {key: item.doomed for key, item in self._leases.items() if item.doomed is not None}

    def end(self, lease_id: str) -> None:
        """Note that a lease ended, and drop what is old."""
        now = self.monotonic()
        self._leases[lease_id] = LocalLease(self.get(lease_id).in_flight, ended_at=now)
        for key, lease in list(self._leases.items()):
            if _NEVER < lease.ended_at < now - _KEEP_SECONDS and not lease.in_flight:
                del self._leases[key]

    def is_own(self, lease_id: str) -> bool:
        """Return whether this process granted a lease or handed it out."""
        return self.get(lease_id).granted_at is not None

    def changed_since(self, lease_id: str, moment: float) -> bool:
        """Return whether a look that began at *moment* may have missed a change of a lease."""
        lease = self.get(lease_id)
        return lease.in_flight or lease.touched_at >= moment

    def ended_since(self, lease_id: str, moment: float) -> bool:
        """Return whether a lease ended at *moment* or later."""
        return self.get(lease_id).ended_at >= moment
