"""Durations in words, for messages."""


def duration_in_words(seconds: float) -> str:
    """Return a duration in the largest unit of which it is at least two."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}s"
    return f"{seconds:.0f} second{'s' * (round(seconds) != 1)}"
