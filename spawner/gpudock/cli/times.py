"""Moments and lengths of time, as people write and read them."""

from __future__ import annotations

import argparse
import datetime as dt
import math

_DAY = 86400.0
_LAST_YEAR = 9999
# Unix time of its end. What is expected to begin after sessions of centuries lies behind it.
_END = 253_402_300_800.0


def moment(written: str) -> float:
    """Read a date or a moment; without an offset it is UTC. Used as a type of arguments.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        read = dt.datetime.fromisoformat(written)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"«{written}» is no date; write it like 2026-12-01 or 2026-12-01T18:00:00+01:00"
        ) from error
    return (read if read.tzinfo else read.replace(tzinfo=dt.UTC)).timestamp()


def hours(written: str) -> float:
    """Read a number of hours, more than 0. Used as a type of arguments.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        number = float(written)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"«{written}» is no number of hours, more than 0")
    return number


def days_ago(now: float, days: float) -> float:
    """Return the beginning of the day (UTC) that was *days* days before *now*."""
    return math.floor((now - days * _DAY) / _DAY) * _DAY


def show_moment(at: float | None) -> str | None:
    """Write a moment to the minute, in UTC; ``None``: there is none."""
    if at is None:
        return None
    if at >= _END:
        return f"after {_LAST_YEAR}"
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M}"


def show_day(at: float) -> str:
    """Write the day of a moment, in UTC."""
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d}"


def show_left(until: float | None, now: float) -> str | None:
    """Write how long it is until a moment: hours and minutes; ``None``: without end."""
    if until is None:
        return None
    minutes = max(0, math.ceil((until - now) / 60))
    return f"{minutes // 60}:{minutes % 60:02d}"
