"""When was it read, by our own clock? The agent's clock may tell any other time."""

from __future__ import annotations

from collections import deque

_EXCHANGES = 30


class RemoteClock:
    """Translates an agent's monotonic clock into ours.

    Each document says what the agent's clock showed when it was sent. It arrived some time after
    that, by our clock, so «arrival minus sending» is never less than the true offset of the clocks
    and the smallest of many comes closest to it. A document that lay around before we looked at it
    is thus not mistaken for a fresh one: a GPU that was read before a session ended must not pass
    for one that was read after it. Only some exchanges are kept, because clocks drift.
    """

    def __init__(self) -> None:
        """Start without any exchange."""
        self._boot: str | None = None
        self._offsets: deque[float] = deque(maxlen=_EXCHANGES)

    def received(self, boot: str, remote: float, local: float) -> None:
        """Note that a document sent at *remote* (agent's clock) arrived at *local* (ours)."""
        if boot != self._boot:
            self._boot = boot
            self._offsets.clear()
        self._offsets.append(local - remote)

    def to_local(self, remote: float) -> float:
        """Return the moment *remote* of the agent's clock in ours."""
        return remote + min(self._offsets)
