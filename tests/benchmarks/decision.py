"""The speed of one decision: ``python -m benchmarks.decision`` (a part of ``make bench``).

A decision is the order of the queue by fair share and one pass over it: grants, refusals, places
with reasons and expected starts. Queues of 1,000 to 30,000 requests wait for 1,000 GPUs of four
models in 125 hosts, of which all, all but a twentieth, or none are in use. Requests are for 1, 2,
4 or 8 GPUs, of any model or of one, with four different limits.
"""

from __future__ import annotations

import argparse
import gc
import math
import random
import statistics
import sys
import time
from dataclasses import replace

from gpudock.model import GPU, GPUState, Lease, Quota, Request
from gpudock.policy.gpu_health import DeviceHealth
from gpudock.policy.quota.resolve import resolve
from gpudock.policy.scheduling.decide import decide
from gpudock.policy.scheduling.fair_share import FairShare
from gpudock.policy.scheduling.snapshot import Snapshot, Waiting

GPUS = 1000
SIZES = (1000, 3000, 10_000, 30_000)
BOUND_SIZE, BOUND_SECONDS = 10_000, 0.050
REPEATS = 15
FREE = {"all in use": 0.0, "1 of 20 free": 0.05, "all free": 1.0}

_NOW = 1_000_000_000.0
_MODELS = (("T4", 15360), ("A10", 23028), ("A100", 40960), ("H100", 81559))
_USERS = 2000


def lab(waiting: int, free: float, seed: int = 1) -> Snapshot:
    """Make a lab of :data:`GPUS` GPUs and a queue; the same for the same arguments."""
    chance = random.Random(f"{waiting} {free} {seed}")
    conditions, leases = [], []
    for number in range(GPUS):
        model, memory = _MODELS[number // 8 % len(_MODELS)]
        uuid = f"GPU-{number:08x}-0000-4000-8000-{number:012x}"
        gpu = GPU(uuid, number % 8, f"host{number // 8:03}", model, memory)
        in_use = chance.random() >= free
        state = GPUState.LEASED if in_use else GPUState.FREE
        conditions.append(DeviceHealth(gpu, state, None, grantable=True, in_service=True))
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
    return Snapshot(_NOW, tuple(conditions), tuple(leases), queue, recent_use=use)


def seconds(snapshot: Snapshot, repeats: int = REPEATS) -> list[float]:
    """Time decisions on *snapshot*, garbage collection included, shortest first.

    It is the processor's time: on a machine with nothing else to do it is the same as the clock's.
    """
    ordering = FairShare()
    taken = []
    for _ in range(repeats):
        gc.collect()
        begun = time.process_time()
        decide(snapshot, ordering)
        taken.append(time.process_time() - begun)
    return sorted(taken)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; with ``--check`` 1 if the bound does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decision", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a bound does not hold")
    options = parser.parse_args(arguments)
    print(f"One decision over {GPUS} GPUs, processor time, best and median of {REPEATS}:\n")
    print("| GPUs | waiting | best | median | granted | per n log n, relative to 1,000 |")
    print("|---|---|---|---|---|---|")
    broken = []
    for name, free in FREE.items():
        base = None
        for size in SIZES:
            snapshot = lab(size, free)
            taken = seconds(snapshot)
            granted = len(decide(snapshot, FairShare()).grants)
            per = taken[0] / (size * math.log2(size))
            base = base or per
            print(
                f"| {name} | {size:,} | {taken[0] * 1e3:.1f} ms |"
                f" {statistics.median(taken) * 1e3:.1f} ms | {granted} | {per / base:.2f} |",
                flush=True,
            )
            if size == BOUND_SIZE and taken[0] > BOUND_SECONDS:
                broken.append(f"{name}: {size:,} requests took {taken[0] * 1e3:.0f} ms")
            if size > SIZES[0] and per > 1.5 * base:
                broken.append(f"{name}: from {SIZES[0]:,} to {size:,} it grew beyond n log n")
    for sentence in broken:
        print(sentence, file=sys.stderr)
    return 1 if broken and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
