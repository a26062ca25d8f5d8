"""Waiting for conditions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def wait_for(
    condition: Callable[[], T], what: str, seconds: float = 30.0, *, every: float = 0.05
) -> T:
    """Return what *condition* returns once that is true; fail when it takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"gave up after {seconds:.0f} s: {what}"
        time.sleep(every)
    return found
