"""One lab made up many times: by how much a policy differs from first come, and how surely.

The numbers of the queue's rule were chosen with the seeds below :data:`HELD_OUT`. What is reported
comes from seeds that nobody had looked at then.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from benchmarks.fairness.measure import measure
from benchmarks.fairness.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.fairness.jobs import Setting
    from benchmarks.fairness.measure import Result
    from benchmarks.fairness.replay import Policy

HELD_OUT = 2001
"""The first seed of those that served only to report."""


@dataclass(frozen=True)
class Spread:
    """One figure of a policy beside the same of another, over several runs.

    Attributes:
        mean: of the runs; for ratios the geometric one.
        low, high: between these the mean of all possible runs lies with 95% confidence.
        least, most: of single runs.
        better: in how many runs the policy was better, or as good.
        runs: how many there were.
    """

    mean: float
    low: float
    high: float
    least: float
    most: float
    better: int
    runs: int


@dataclass(frozen=True)
class Comparison:
    """A policy beside another on the same labs.

    Attributes:
        mean, p95, slowest: of the waits; the policy's part of the other's.
        p95_seconds: how much longer the wait at p95 is.
        jain: how much larger the index is.
        use: how much more of the lab is used.
    """

    mean: Spread
    p95: Spread
    p95_seconds: Spread
    slowest: Spread
    jain: Spread
    use: Spread


_RESAMPLES = 2000


def replay(
    make: Callable[[int], Setting], seeds: Iterable[int], policies: Sequence[Policy]
) -> dict[str, list[Result]]:
    """Replay one lab with each of *seeds* under each policy; the results by the policy's name."""
    results: dict[str, list[Result]] = {policy.name: [] for policy in policies}
    for seed in seeds:
        setting = make(seed)
        for policy in policies:
            results[policy.name].append(measure(Replay(setting, policy).go()))
    return results


def compare(ours: Sequence[Result], theirs: Sequence[Result]) -> Comparison:
    """Compare the results of two policies on the same labs, in the same order."""
    pairs = list(zip(ours, theirs, strict=True))
    return Comparison(
        mean=_ratio([(a.mean, b.mean) for a, b in pairs]),
        p95=_ratio([(a.p95, b.p95) for a, b in pairs]),
        p95_seconds=_difference([b.p95 - a.p95 for a, b in pairs], -1.0),
        slowest=_ratio([(a.slowest, b.slowest) for a, b in pairs]),
        jain=_difference([a.jain - b.jain for a, b in pairs]),
        use=_difference([a.use - b.use for a, b in pairs]),
    )


def _ratio(pairs: list[tuple[float, float]]) -> Spread:
    """Compare waits, of which the shorter is better."""
    logs = [math.log(max(a, 1.0) / max(b, 1.0)) for a, b in pairs]
    found = _spread(logs, better=sum(value <= 0 for value in logs))
    return Spread(
        *(math.exp(v) for v in (found.mean, found.low, found.high, found.least, found.most)),
        better=found.better,
        runs=found.runs,
    )


def _difference(gains: list[float], sign: float = 1.0) -> Spread:
    """Compare what is better the more it is gained, and report it times *sign*."""
    values = [sign * gain for gain in gains]
    return _spread(values, better=sum(gain >= 0 for gain in gains))


def _spread(values: list[float], better: int) -> Spread:
    runs = len(values)
    # The bootstrap: how the mean would have varied, had other of these runs been drawn.
    chance = random.Random(0)
    means = sorted(fmean(chance.choices(values, k=runs)) for _ in range(_RESAMPLES))
    cut = _RESAMPLES // 40
    return Spread(
        fmean(values), means[cut], means[-cut - 1], min(values), max(values), better, runs
    )
