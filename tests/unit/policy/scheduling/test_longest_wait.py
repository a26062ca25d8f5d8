"""Nobody starves: the longest wait that docs/queue.md states, with the shipped time-out."""

from __future__ import annotations

import math

import pytest

from benchmarks.fairness.closed_loop import DAY, wait_of_a_large_request

pytestmark = pytest.mark.simulation


def longest_wait(gpus: int, ahead: int, small_hours: float) -> float:
    """Return the figure of docs/queue.md, hours, for requests for one GPU ahead of a large one.

    A day, the longest session that runs by then, and the sessions of those that were there before.
    """
    return 24.0 + small_hours + math.ceil(ahead / gpus) * small_hours


@pytest.mark.parametrize("timeout", [math.inf, DAY])
@pytest.mark.parametrize(
    ("small_hours", "joining"), [(2.0, 1), (4.0, 1), (8.0, 1), (12.0, 1), (4.0, 4), (8.0, 4)]
)
def test_a_request_for_the_whole_lab_starts_in_time(
    small_hours: float, joining: int, timeout: float
) -> None:
    """Twenty requests wait before it, and somebody joins whenever a session ends."""
    wait, _ = wait_of_a_large_request(8, 20, small_hours, 24.0, timeout, 10, joining)
    assert wait is not None
    assert wait <= longest_wait(8, 20, small_hours)


def test_a_time_out_costs_no_waiting_time() -> None:
    with_timeout, removed = wait_of_a_large_request(8, 20, 8.0, 24.0, DAY / 2, max_days=10)
    without, _ = wait_of_a_large_request(8, 20, 8.0, 24.0, math.inf, max_days=10)
    assert removed > 0
    assert with_timeout == without
