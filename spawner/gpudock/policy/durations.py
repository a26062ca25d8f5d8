"""Durations in words, for messages."""

from gpudock.language import Message, counted

_HOUR = 3600
_MINUTE = 60


def duration_in_words(seconds: float) -> Message:
    """Return a duration in the largest unit of which it is at least two."""
    if seconds >= 2 * _HOUR:
        return Message("{hours:.0f} hours", hours=seconds / _HOUR)
    if seconds >= 2 * _MINUTE:
        return Message("{minutes:.0f} minutes", minutes=seconds / _MINUTE)
    return counted("{n} second", "{n} seconds", round(seconds))
