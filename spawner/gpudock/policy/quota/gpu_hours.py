"""GPU-hours in a rolling window: how many are used, when they run out, and when some are back.

What is used at a moment is the sum over all spans of use of the part that lies within the window
before that moment. Between the moments at which a span enters or leaves the window it changes at a
constant rate, so each question is answered exactly by one sweep over those moments.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY = 86400.0
HOUR = 3600.0

# Sums over years of seconds are exact to about this much.
_ROUNDING = 1e-3


class Span(NamedTuple):
    """A piece of use.

    Attributes:
        start, end: Unix times; ``end`` is infinite for a session that goes on.
        share: how many GPUs it had.
    """

    start: float
    end: float
    share: float


def used_seconds(spans: Iterable[Span], window_days: float | None, now: float) -> float:
    """Return the GPU-seconds used in the window that ends *now*; ``None``: since ever."""
    since = -math.inf if window_days is None else now - window_days * DAY
    return math.fsum(
        span.share * (min(span.end, now) - max(span.start, since))
        for span in spans
        if span.end > since and span.start < now
    )


def runs_out_at(
    spans: Iterable[Span], window_days: float | None, limit_hours: float, now: float
) -> float | None:
    """Return the first moment from *now* at which the limit is reached, if all goes on as it does.

    Spans whose end is infinite go on; what leaves the window counts no more.

    Args:
        spans: all use that the limit is about.
        window_days: length of the rolling window; ``None``: since ever.
        limit_hours: GPU-hours in any such window.
        now: Unix time.

    Returns:
        Unix time; ``None`` when the limit is never reached.
    """
    return _first(list(spans), window_days, limit_hours * HOUR, now, rising=True)


def enough_from(
    spans: Iterable[Span], window_days: float | None, most_hours: float, now: float
) -> float | None:
    """Return the first moment from *now* at which no more than *most_hours* are used.

    It is taken that nothing is used from now on.

    Returns:
        Unix time; ``None`` when that never comes.
    """
    ended = [span._replace(end=min(span.end, now)) for span in spans if span.start < now]
    return _first(ended, window_days, most_hours * HOUR, now, rising=False)


def _first(
    spans: list[Span], window_days: float | None, goal: float, now: float, *, rising: bool
) -> float | None:
    """Find the first moment at which use is at least *goal*, or with not *rising*, at most."""
    used = used_seconds(spans, window_days, now)
    if (used >= goal - _ROUNDING) if rising else (used <= goal + _ROUNDING):
        return now
    rate, turns = _turns(spans, window_days, now)
    moment = now
    for at, change in [*sorted(turns), (math.inf, 0.0)]:
        towards = rate if rising else -rate
        if towards > 0:
            reached = moment + abs(goal - used) / towards
            if reached <= at and math.isfinite(reached):
                return reached
        if math.isinf(at):
            break
        used += rate * (at - moment)
        moment = at
        rate += change
        if abs(rate) < 1e-12:  # what is left of a sum and its undoing
            rate = 0.0
    return None


def _turns(
    spans: list[Span], window_days: float | None, now: float
) -> tuple[float, list[tuple[float, float]]]:
    """Return the rate of change of use at *now*, and when it changes by how much."""
    window = math.inf if window_days is None else window_days * DAY
    rate = 0.0
    turns: list[tuple[float, float]] = []
    for start, end, share in spans:
        for at, change in (
            (start, share),  # it begins
            (end, -share),  # it ends
            (start + window, -share),  # its beginning leaves the window
            (end + window, share),  # its end has left the window
        ):
            if at <= now:
                rate += change
            elif math.isfinite(at):
                turns.append((at, change))
    return rate, turns
