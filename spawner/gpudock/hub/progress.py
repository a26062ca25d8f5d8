"""The messages of a starting server, for the Hub's progress page."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gpudock.language import Message, counted, sentences

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gpudock.model import QueuePosition

GRANTED = 50
"""From this percentage on the request no longer waits."""

_MINUTES_SHOWN = 120


@dataclass(slots=True)
class ProgressLog:
    """The messages of one start; any number of pages may follow it."""

    _events: list[dict[str, Any]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, percent: int, message: str, position: int | None = None) -> None:
        """Add a message, unless it repeats the last one.

        Args:
            percent: progress of the start; below :data:`GRANTED` the request waits.
            message: what happens now.
            position: the request's place in the queue; ``None`` if it is in none.
        """
        event = {
            "progress": percent,
            "message": message,
            "waiting": percent < GRANTED,
            "position": position,
        }
        if self._events and self._events[-1] == event:
            return
        self._events.append(event)
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self) -> AsyncIterator[dict[str, Any]]:
        """Yield all messages so far and then each new one; the Hub ends this with the start."""
        seen = 0
        while True:
            changed = self._changed
            while seen < len(self._events):
                yield self._events[seen]
                seen += 1
            await changed.wait()


def position_in_words(position: QueuePosition, now: float) -> str:
    """Return a waiting user's position, its reason and the expected start."""
    return sentences(
        Message(
            "You are number {position} of {length} in the queue.",
            position=position.position,
            length=position.length,
        ),
        position.reason,
        expected_start_in_words(position, now),
        Message("Your server starts by itself; you may leave this page."),
    )


def expected_start_in_words(position: QueuePosition, now: float) -> str:
    """Return when a request should start, or nothing where that is not known.

    It starts earlier when sessions end early, and later when others come first, who may as long as
    the latest start is after the expected one.
    """
    expected, latest = position.expected_start, position.latest_start
    if expected is None:
        return ""
    if latest is None or latest <= expected:
        return Message("It should be your turn within {time}.", time=_within(expected - now))
    return Message(
        "It should be your turn within {time}, or within {latest} if users who have used less, or "
        "whose sessions are shorter, come first.",
        time=_within(expected - now),
        latest=_within(latest - now),
    )


def _within(seconds: float) -> Message:
    minutes = max(1, math.ceil(seconds / 60))
    if minutes < _MINUTES_SHOWN:
        return counted("{n} minute", "{n} minutes", minutes)
    return Message("{hours} hours", hours=math.ceil(minutes / 60))
