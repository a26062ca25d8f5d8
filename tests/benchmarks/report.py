"""The figures, as a table for people and as JSON for programs."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import Any

BOUND = 0.5
"""The most that gpudock may take of what stock DockerSpawner takes."""


class NothingMeasuredError(Exception):
    """A benchmark found nothing to measure, so it has no figure to judge."""


@dataclass
class Figures:
    """What was measured of one lab.

    Attributes:
        clicks_s: seconds from click to ready, one user at a time.
        bursts_s: seconds until the last of many simultaneous users had a server, per burst.
        cpu_s, memory_mib: what the hub spent in each burst.
        delays_s: the hub's event-loop delays in all bursts.
    """

    clicks_s: list[float] = field(default_factory=list)
    bursts_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        """Return the figures that are compared, by name."""
        return {
            "click_p50_s": percentile(self.clicks_s, 50),
            "click_p90_s": percentile(self.clicks_s, 90),
            "burst_delay_p99_s": percentile(self.delays_s, 99),
            "burst_delay_max_s": percentile(self.delays_s, 100),
            "burst_hub_memory_mib": percentile(self.memory_mib, 100),
            "burst_s": statistics.median(self.bursts_s),
            "burst_hub_cpu_s": statistics.median(self.cpu_s),
        }


ROWS = {
    "click_p50_s": ("one user, click to ready, p50", "s"),
    "click_p90_s": ("one user, click to ready, p90", "s"),
    "burst_s": ("{burst} users at once, until all are ready", "s"),
    "burst_hub_cpu_s": ("hub's CPU in that burst", "s"),
    "burst_hub_memory_mib": ("hub's memory in that burst, most", "MiB"),
    "burst_delay_p99_s": ("hub's event-loop delay in that burst, p99", "s"),
    "burst_delay_max_s": ("hub's event-loop delay in that burst, most", "s"),
}
BOUNDED = ("click_p50_s", "burst_s")


def percentile(values: list[float], percent: float) -> float:
    """Return the smallest value that at least *percent* of the values do not exceed.

    Raises:
        NothingMeasuredError: there are no values.
    """
    if not values:
        raise NothingMeasuredError("Nothing was measured.")
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def ratios(stock: Figures, ours: Figures) -> dict[str, float]:
    """Return, by name, what gpudock takes of what stock takes."""
    theirs, mine = stock.summary(), ours.summary()
    return {name: mine[name] / theirs[name] for name in ROWS}


def too_slow(stock: Figures, ours: Figures, burst: int) -> list[str]:
    """Return a sentence for each bound that does not hold."""
    return [
        f"{ROWS[name][0].format(burst=burst)}: {ratio:.2f} of stock's, and the bound is {BOUND}."
        for name, ratio in ratios(stock, ours).items()
        if name in BOUNDED and ratio > BOUND
    ]


def table(stock: Figures, ours: Figures, burst: int) -> str:
    """Return a Markdown table."""
    theirs, mine, part = stock.summary(), ours.summary(), ratios(stock, ours)
    lines = ["| | stock | gpudock | ratio |", "|---|---|---|---|"]
    lines += [
        f"| {label.format(burst=burst)} | {theirs[name]:.2f} {unit} | {mine[name]:.2f} {unit}"
        f" | {part[name]:.2f} |"
        for name, (label, unit) in ROWS.items()
    ]
    return "\n".join(lines)


def document(stock: Figures, ours: Figures, burst: int, machine: dict[str, Any]) -> dict[str, Any]:
    """Return everything measured, for ``--json``."""
    return {
        "machine": machine,
        "burst": burst,
        "bound": BOUND,
        "ratios": ratios(stock, ours),
        "labs": {
            name: {
                "summary": figures.summary(),
                "clicks_s": figures.clicks_s,
                "bursts_s": figures.bursts_s,
                "hub_cpu_s": figures.cpu_s,
                "hub_memory_mib": figures.memory_mib,
            }
            for name, figures in (("stock", stock), ("gpudock", ours))
        },
    }
