"""``make simulate``: replay labs under four policies and print the results."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.fairness import seeds, synthetic, trace
from benchmarks.fairness.measure import Result, measure
from benchmarks.fairness.plain import PlainFairShare
from benchmarks.fairness.plot import picture
from benchmarks.fairness.replay import Policy, Replay
from gpudock.policy.scheduling.fair_share import FairShare
from gpudock.policy.scheduling.ordering import FirstCome

# Three hosts of the cluster are as large as a lab, and as busy: the full cluster has 6,212 GPUs for
# tasks that keep 12 of them busy in the mean, so nobody would ever wait in it.
NODES = 3

LABS = (synthetic.course, synthetic.research, synthetic.company)

# So many more labs of each kind, made up with other seeds, say how sure the figures are.
RUNS = 32

POLICIES = (
    Policy("first come, strict", FirstCome(), backfill=False),
    Policy("plain fair share", PlainFairShare(), backfill=False),
    Policy("first come, backfill", FirstCome(), backfill=True),
    Policy("gpudock", FairShare(), backfill=True),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("trace", nargs="?", type=Path, help="folder of the trace's two files")
    parser.add_argument("--nodes", type=int, nargs="+", default=[NODES], help="hosts of the trace")
    parser.add_argument("--seed", type=int, default=1, help="of the synthetic labs")
    parser.add_argument(
        "--runs", type=int, default=RUNS, help="with how many other seeds; 0 leaves them out"
    )
    parser.add_argument("--first", type=int, default=seeds.HELD_OUT, help="the first of them")
    parser.add_argument("--svg", type=Path, help="write the picture to this file")
    options = parser.parse_args(arguments)
    settings = []
    try:
        if options.trace is not None:
            settings += [trace.read(options.trace, nodes) for nodes in options.nodes]
    except trace.TraceError as error:
        print(error, file=sys.stderr)
        return 2
    settings += [make(options.seed) for make in LABS]
    results: dict[str, dict[str, Result]] = {}
    for setting in settings:
        print(f"\n### {setting.name}\n\n{setting.about}; {setting.load:.0%} of it is wanted.\n")
        print(
            f"| {'policy':20} | mean wait |      p95 |      p99 | fairness |    use | fragmented |"
            " all done after |"
        )
        print(
            f"|{'-' * 22}|----------:|---------:|---------:|---------:|-------:|-----------:|"
            "---------------:|"
        )
        by_policy = results[setting.name] = {}
        for policy in POLICIES:
            begun = time.perf_counter()
            result = by_policy[policy.name] = measure(Replay(setting, policy).go())
            took = time.perf_counter() - begun
            print(
                f"| {policy.name:20} | {_hours(result.mean)} h | {_hours(result.p95)} h |"
                f" {_hours(result.p99)} h | {result.jain:8.3f} | {result.use:6.1%} |"
                f" {result.fragmentation:10.1%} | {result.makespan / 86400:12.2f} d |",
                flush=True,
            )
            print(
                f"{result.decisions} decisions, {result.passed} passed, {took:.0f} s",
                file=sys.stderr,
            )
    if options.runs > 0:
        _spread(range(options.first, options.first + options.runs))
    if options.svg is not None:
        options.svg.parent.mkdir(parents=True, exist_ok=True)
        options.svg.write_text(picture(results))
        print(f"\nThe picture is in {options.svg}")
    return 0


def _spread(numbers: range) -> None:
    """Print how gpudock does beside both kinds of first come in labs made with other seeds."""
    ours = POLICIES[-1].name
    rows = []
    for make in LABS:
        by_policy = seeds.replay(make, numbers, [POLICIES[0], POLICIES[2], POLICIES[3]])
        for other in (POLICIES[0].name, POLICIES[2].name):
            found = seeds.compare(by_policy[ours], by_policy[other])
            p95, minutes = found.p95, found.p95_seconds.mean / 60
            rows.append(
                f"| {make.__name__} | {other.removeprefix('first come, ')} | {_range(p95)} |"
                f" {p95.better} of {p95.runs} | {minutes:+.0f} min | {_range(found.slowest)} |"
                f" {_range(found.mean)} | {_range(found.jain, '+.3f')} |"
                f" {_range(found.use, '+.1%')} |"
            )
    print(f"\n### {ours} beside first come, {len(numbers)} labs of each kind\n")
    print(
        "| lab | first come | p95 | shorter or equal | p95, mean difference | slowest 5% |"
        " mean wait | fairness | use |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(rows), flush=True)


def _range(spread: seeds.Spread, form: str = ".2f") -> str:
    """Write the mean, between which values it is with 95% confidence, and those of single runs."""
    mean, low, high, least, most = (
        format(value, form)
        for value in (spread.mean, spread.low, spread.high, spread.least, spread.most)
    )
    return f"**{mean}** ({low} … {high}), runs {least} … {most}"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:7.2f}"


if __name__ == "__main__":
    sys.exit(main())
