"""Amounts in words, for the sentences that people read."""


def duration_in_words(seconds: float) -> str:
    """Tell a length of time in the largest unit that says it well."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}s"
    return f"{seconds:.0f} second{'s' * (round(seconds) != 1)}"
