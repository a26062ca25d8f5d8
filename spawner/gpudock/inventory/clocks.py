"""Translate timestamps of the agent's clock into the local clock."""

from __future__ import annotations

from collections import deque

_EXCHANGES = 30


class RemoteClock:
    """Translates an agent's monotonic clock into the local one.

    Each document has the agent's time when it was sent, and arrives some time later. So "arrival
    minus sending" is never less than the true offset of the clocks, and the smallest of several
    comes closest to it. A delayed document is thus not mistaken for a fresh one: a GPU that was
    read before a session ended must not count as read after it. Only the latest exchanges are
    kept, because clocks drift.
    """

    def __init__(self) -> None:
        """Create a clock without exchanges."""
        self._boot: str | None = None
        self._offsets: deque[float] = deque(maxlen=_EXCHANGES)

    def received(self, boot: str, remote: float, local: float) -> None:
        """Record that a document sent at *remote* (agent's clock) arrived at *local*."""
        if boot != self._boot:
            self._boot = boot
            self._offsets.clear()
        self._offsets.append(local - remote)

    def to_local(self, remote: float) -> float:
        """Return the local time of the agent's time *remote*."""
        return remote + min(self._offsets)
