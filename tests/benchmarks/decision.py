"""The speed of one decision: ``python -m benchmarks.decision`` (a part of ``make bench``).

A decision is the order of the queue by fair share and one pass over it: grants, refusals, positions
with reasons and expected starts. Queues of 1,000 to 30,000 requests wait for 1,000 GPUs, and one of
1,000 requests for 64 GPUs. The GPUs are of four models, 8 on each node; all of them, all but a
twentieth, or none are in use. Requests are for 1, 2, 4 or 8 GPUs, of any model or of one, with four
different limits.
"""

from __future__ import annotations

import argparse
import gc
import math
import random
import statistics
import sys
import time
from dataclasses import dataclass, replace

from gpudock.model import GPU, GPUState, Lease, Quota, Request
from gpudock.policy.gpu_health import DeviceHealth
from gpudock.policy.quota.resolve import resolve
from gpudock.policy.scheduling.decide import decide
from gpudock.policy.scheduling.fair_share import FairShare
from gpudock.policy.scheduling.snapshot import Snapshot, Waiting

SIZES = ((64, 1000), (1000, 1000), (1000, 3000), (1000, 10_000), (1000, 30_000))
BOUNDS = {(64, 1000): 0.015, (1000, 10_000): 0.200}
GROWTH = 1.5
REPEATS = 15
FREE = {"all in use": 0.0, "1 of 20 free": 0.05, "all free": 1.0}

_NOW = 1_000_000_000.0
_MODELS = (("T4", 15360), ("A10", 23028), ("A100", 40960), ("H100", 81559))
_USERS = 2000


@dataclass(frozen=True)
class Timing:
    """The processor time of decisions on one snapshot, seconds.

    On an idle machine it is the same as the time on the clock. Garbage collection is included.
    """

    best: float
    median: float
    granted: int
    placed: int


def lab(gpus: int, waiting: int, free: float, seed: int = 1) -> Snapshot:
    """Return a lab and its queue; the same for the same arguments."""
    chance = random.Random(f"{gpus} {waiting} {free} {seed}")
    devices, leases = [], []
    for number in range(gpus):
        model, memory = _MODELS[number // 8 % len(_MODELS)]
        uuid = f"GPU-{number:08x}-0000-4000-8000-{number:012x}"
        gpu = GPU(uuid, number % 8, f"host{number // 8:03}", model, memory)
        in_use = chance.random() >= free
        state = GPUState.LEASED if in_use else GPUState.FREE
        devices.append(DeviceHealth(gpu, state, None, grantable=True, in_service=True))
        if in_use:
            end = _NOW + chance.uniform(0, 12) * 3600
            user = f"user{chance.randrange(_USERS)}"
            leases.append(
                Lease(
                    f"lease{number}",
                    user,
                    f"running{number}",
                    "image",
                    (uuid,),
                    _NOW - 3600,
                    expires_at=end,
                    latest_end=end,
                )
            )
    limits = [
        resolve(Quota(max_gpus=16, max_session_hours=hours)) for hours in (2.0, 8.0, 12.0, 24.0)
    ]
    queue = tuple(
        Waiting(
            number,
            Request(
                f"request{number}",
                f"user{chance.randrange(_USERS)}",
                f"server{number}",
                chance.choice([1] * 7 + [2, 4, 8]),
                _NOW - chance.uniform(0, 100_000),
                "image",
                gpu_model=chance.choice([None, None, "*A100*", "H100", "*T4"]),
            ),
            replace(chance.choice(limits)),
        )
        for number in range(waiting)
    )
    use = {f"user{number}": chance.uniform(0, 1e6) for number in range(_USERS)}
    return Snapshot(_NOW, tuple(devices), tuple(leases), queue, recent_use=use)


def measure(snapshot: Snapshot, repeats: int = REPEATS) -> Timing:
    """Time decisions on *snapshot*."""
    ordering = FairShare()
    taken = []
    for _ in range(repeats):
        gc.collect()
        start = time.process_time()
        decision = decide(snapshot, ordering)
        taken.append(time.process_time() - start)
    return Timing(min(taken), statistics.median(taken), len(decision.grants), len(decision.places))


def exceeded(timings: dict[tuple[str, int, int], Timing]) -> list[str]:
    """Return one sentence for each bound that does not hold, or that nothing was measured for.

    Args:
        timings: by name of the lab, number of GPUs and number of requests.
    """
    sentences = []
    for name in FREE:
        for (gpus, waiting), bound in BOUNDS.items():
            timing = timings.get((name, gpus, waiting))
            what = f"{name}: {waiting:,} requests x {gpus:,} GPUs"
            if timing is None or timing.best <= 0 or timing.granted + timing.placed != waiting:
                sentences.append(f"{what}: nothing was measured.")
            elif timing.best > bound:
                sentences.append(f"{what} took {timing.best * 1e3:.0f} ms of {bound * 1e3:.0f}.")
        base = timings.get((name, 1000, 1000))
        for (label, gpus, waiting), timing in timings.items():
            if base is None or label != name or gpus != 1000:
                continue
            growth = _per_step(timing, waiting) / _per_step(base, 1000)
            if growth > GROWTH:
                sentences.append(f"{name}: from 1,000 to {waiting:,} it grew beyond n log n.")
    return sentences


def _per_step(timing: Timing, waiting: int) -> float:
    return timing.best / (waiting * math.log2(waiting))


def main(arguments: list[str] | None = None) -> int:
    """Print the table; with ``--check`` return 1 if a bound does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decision", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a bound does not hold")
    options = parser.parse_args(arguments)
    print(f"One decision, processor time, best and median of {REPEATS}:\n")
    print("| lab | GPUs | waiting | best | median | granted | per n log n, relative to 1,000 |")
    print("|---|---|---|---|---|---|---|")
    timings: dict[tuple[str, int, int], Timing] = {}
    for name, free in FREE.items():
        for gpus, waiting in SIZES:
            timing = timings[name, gpus, waiting] = measure(lab(gpus, waiting, free))
            base = timings.get((name, 1000, 1000))
            growth = "" if base is None else _per_step(timing, waiting) / _per_step(base, 1000)
            print(
                f"| {name} | {gpus:,} | {waiting:,} | {timing.best * 1e3:.1f} ms |"
                f" {timing.median * 1e3:.1f} ms | {timing.granted} |"
                f" {growth and format(growth, '.2f')} |",
                flush=True,
            )
    broken = exceeded(timings)
    for sentence in broken:
        print(sentence, file=sys.stderr)
    return 1 if broken and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
