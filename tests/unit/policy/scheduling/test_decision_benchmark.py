"""The benchmark of decisions fails for slow decisions, and for none."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.decision import BOUNDS, FREE, SIZES, Timing, exceeded, lab, measure


def timings() -> dict[tuple[str, int, int], Timing]:
    """Return timings that grow linearly and are within all bounds."""
    return {
        (name, gpus, waiting): Timing(waiting * 1e-6, waiting * 1e-6, 0, waiting)
        for name in FREE
        for gpus, waiting in SIZES
    }


def test_fast_decisions_are_within_the_bounds() -> None:
    assert exceeded(timings()) == []


def test_a_benchmark_that_measured_nothing_fails() -> None:
    assert len(exceeded({})) == len(FREE) * len(BOUNDS)
    one = ("all free", 64, 1000)
    for nothing in (Timing(0.0, 0.0, 0, 1000), Timing(0.001, 0.001, 0, 0)):
        assert len(exceeded(timings() | {one: nothing})) == 1


def test_slow_decisions_and_fast_growth_are_reported() -> None:
    for key, bound in BOUNDS.items():
        slow = timings()
        slow["all free", *key] = replace(slow["all free", *key], best=bound * 1.01)
        assert any("took" in sentence for sentence in exceeded(slow))
    growing = timings()
    base = growing["all free", 1000, 1000].best
    growing["all free", 1000, 30_000] = Timing(base * 30 * 1.5 * 1.6, 0.0, 0, 30_000)
    assert any("grew beyond" in sentence for sentence in exceeded(growing))


def test_what_is_measured_decides_on_the_whole_queue() -> None:
    timing = measure(lab(16, 50, 0.5), repeats=1)
    assert timing.granted + timing.placed == 50
    assert 0 < timing.best <= timing.median
