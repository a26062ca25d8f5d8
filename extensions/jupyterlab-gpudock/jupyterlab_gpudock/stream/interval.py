"""How often the GPUs are read: the bounds for the setting and for clients."""

from __future__ import annotations

import math

MIN_INTERVAL_S, MAX_INTERVAL_S = 0.5, 60.0


def clamp_interval(seconds: float) -> float:
    """Return the interval to use for a requested one: 0.5 s to 60 s.

    Raises:
        ValueError: it is not a number.
    """
    if math.isnan(seconds):
        raise ValueError("An interval is a number of seconds, not NaN")
    return min(max(seconds, MIN_INTERVAL_S), MAX_INTERVAL_S)
