"""GPU-hours in a rolling window, against a reference that counts second by second."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpudock.policy.quota.gpu_hours import DAY, HOUR, Span, enough_from, runs_out_at, used_seconds

NOW = 500
HORIZON = 2500

moments = st.integers(-300, NOW)
shares = st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0])
ended_spans = st.builds(
    lambda start, length, share: Span(float(start), float(min(start + length, NOW)), share),
    moments,
    st.integers(0, 400),
    shares,
)
live_spans = st.builds(lambda start, share: Span(float(start), math.inf, share), moments, shares)
spans = st.lists(st.one_of(ended_spans, live_spans), max_size=7)
windows = st.one_of(st.none(), st.integers(1, 600))
limits = st.integers(0, 2000)


def days(window: int | None) -> float | None:
    return None if window is None else window / DAY


def count(items: list[Span], window: int | None, now: int) -> float:
    """Count second by second what was used in the window before *now*."""
    since = -10_000 if window is None else now - window
    return sum(
        span.share
        for second in range(max(since, -1000), now)
        for span in items
        if span.start <= second < span.end
    )


@settings(deadline=None)
@given(spans, windows)
def test_use_is_what_the_seconds_add_up_to(items: list[Span], window: int | None) -> None:
    assert used_seconds(items, days(window), NOW) == pytest.approx(count(items, window, NOW))


def curve(items: list[Span], window: int | None) -> list[float]:
    """Count use at each second from NOW on, as :func:`count` does, but step by step."""
    used = count(items, window, NOW)
    found = [used]
    for second in range(NOW, NOW + HORIZON):
        used += sum(span.share for span in items if span.start <= second < span.end)
        if window is not None:
            gone = second - window
            used -= sum(span.share for span in items if span.start <= gone < span.end)
        found.append(used)
    return found


@pytest.mark.integration
@settings(deadline=None, max_examples=200)
@given(spans, windows, limits)
def test_hours_run_out_when_the_seconds_say_so(
    items: list[Span], window: int | None, limit: int
) -> None:
    found = runs_out_at(items, days(window), limit / HOUR, NOW)
    reached = next((i for i, used in enumerate(curve(items, window)) if used >= limit - 1e-6), None)
    if reached is None:
        assert found is None or found >= NOW + HORIZON
    else:
        assert found is not None
        # Within the second before the first at which it is reached.
        assert NOW + reached - 1 - 1e-2 <= found <= NOW + reached + 1e-2


@pytest.mark.integration
@settings(deadline=None, max_examples=200)
@given(st.lists(ended_spans, max_size=7), windows, limits)
def test_hours_come_back_when_the_seconds_say_so(
    items: list[Span], window: int | None, most: int
) -> None:
    found = enough_from(items, days(window), most / HOUR, NOW)
    reached = next((i for i, used in enumerate(curve(items, window)) if used <= most + 1e-6), None)
    if reached is None:
        assert found is None
    else:
        assert found is not None
        assert NOW + reached - 1 - 1e-2 <= found <= NOW + reached + 1e-2


def test_sessions_that_run_now_are_taken_to_end_when_asking_for_hours_to_come_back() -> None:
    running = [Span(0.0, math.inf, 1.0)]
    assert enough_from(running, 100 / DAY, 50 / HOUR, 100.0) == pytest.approx(150.0)


def test_a_window_shorter_than_the_session_balances_itself() -> None:
    """One GPU in a window of two hours never uses more than two hours."""
    running = [Span(0.0, math.inf, 1.0)]
    assert runs_out_at(running, 2 * HOUR / DAY, 2.1, 5 * HOUR) is None
    assert runs_out_at(running, 2 * HOUR / DAY, 2.0, 0.0) == pytest.approx(2 * HOUR)
