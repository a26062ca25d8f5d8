"""Times and durations, as people write and read them."""

from __future__ import annotations

import argparse
import datetime as dt
import math

_DAY = 86400.0
_LAST_YEAR = 9999
# Unix time of its end. An expected start after sessions of centuries may be later.
_END = 253_402_300_800.0


def moment(written: str) -> float:
    """Return the Unix time of a date or a time, in UTC unless it has an offset.

    Raises:
        argparse.ArgumentTypeError: *written* is neither.
    """
    try:
        read = dt.datetime.fromisoformat(written)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f'"{written}" is not a date; write it like 2026-12-01 or 2026-12-01T18:00:00+01:00'
        ) from error
    return (read if read.tzinfo else read.replace(tzinfo=dt.UTC)).timestamp()


def hours(written: str) -> float:
    """Return a number of hours.

    Raises:
        argparse.ArgumentTypeError: *written* is not a number above 0.
    """
    try:
        number = float(written)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f'"{written}" is not a number of hours above 0')
    return number


def days_ago(now: float, days: float) -> float:
    """Return the start of the day (UTC) that was *days* days before *now*."""
    return math.floor((now - days * _DAY) / _DAY) * _DAY


def show_moment(at: float | None) -> str | None:
    """Return a Unix time as text, to the minute, in UTC; ``None`` for ``None``."""
    if at is None:
        return None
    if at >= _END:
        return f"after {_LAST_YEAR}"
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M}"


def show_day(at: float) -> str:
    """Return the day of a Unix time as text, in UTC."""
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d}"


def show_left(until: float | None, now: float) -> str | None:
    """Return the hours and minutes until a Unix time; ``None`` for ``None``."""
    if until is None:
        return None
    minutes = max(0, math.ceil((until - now) / 60))
    return f"{minutes // 60}:{minutes % 60:02d}"
