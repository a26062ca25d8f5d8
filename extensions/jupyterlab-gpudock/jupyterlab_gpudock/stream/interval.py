"""How often the GPUs are read: the bounds that hold for setting and clients alike."""

from __future__ import annotations

import math

SHORTEST_INTERVAL_S, LONGEST_INTERVAL_S = 0.5, 60.0


def clamp_interval(seconds: float) -> float:
    """The interval that is used for a wished one: 0.5 s to 60 s.

    :raises ValueError: for what is no number
    """
    if math.isnan(seconds):
        raise ValueError("An interval is a number of seconds, not NaN")
    return min(max(seconds, SHORTEST_INTERVAL_S), LONGEST_INTERVAL_S)
