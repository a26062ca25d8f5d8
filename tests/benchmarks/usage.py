"""Usage of five years: a million leases, summed up by user, group and GPU.

``make bench`` runs it; ``python -m benchmarks.usage [LEASES]`` runs it alone. Each sum is shown
with the time of a plain SQL query over all leases in the same run, since a bare number of seconds
says little about an unknown machine.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from gpudock.broker import DeskBroker
from gpudock.inventory import NoInventory
from gpudock.store import Store
from gpudock.store.usage import days

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LEASES = 1_000_000
USERS, GROUPS, GPUS = 500, 25, 200
DAY = 86400.0
YEARS = 5
NOW = 1_800_000_000.0
BEGIN = NOW - YEARS * 365 * DAY
REPEATS = 5
LIMIT_SECONDS = 1.0

_SCAN = {
    "user": """
        SELECT username, SUM(ended_at - granted_at) / 3600 FROM leases
        JOIN lease_gpus ON lease_id = leases.id WHERE ended_at > :since GROUP BY username""",
    "group": """
        SELECT json_each.value, SUM(ended_at - granted_at) / 3600 FROM leases
        JOIN lease_gpus ON lease_id = leases.id, json_each("groups")
        WHERE ended_at > :since GROUP BY json_each.value""",
    "gpu": """
        SELECT gpu_uuid, SUM(ended_at - granted_at) / 3600 FROM leases
        JOIN lease_gpus ON lease_id = leases.id WHERE ended_at > :since GROUP BY gpu_uuid""",
}


def fill(path: Path, leases: int) -> None:
    """Write *leases* ended leases, and the usage as the store keeps them."""
    chance = random.Random(1)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO gpus (uuid, host, number, model, memory_mib, standing, first_seen, last_seen)"
        " VALUES (?, 'host', ?, 'NVIDIA A100', 40960, 'active', 0, 0)",
        ((_gpu(number), number) for number in range(GPUS)),
    )
    usage: defaultdict[tuple[str, int, str], list[float]] = defaultdict(lambda: [0.0, 0])
    rows = list(_leases(chance, leases, usage))
    connection.executemany(
        "INSERT INTO leases (id, username, server, image, share, granted_at, state, ended_at,"
        " \"groups\") VALUES (?, ?, '', 'image', 'exclusive', ?, 'ended', ?, ?)",
        (row[:5] for row in rows),
    )
    connection.executemany(
        "INSERT INTO lease_gpus (lease_id, gpu_uuid, slot, live) VALUES (?, ?, 0, 0)",
        ((row[0], row[5]) for row in rows),
    )
    connection.executemany(
        "INSERT INTO usage_days (kind, day, name, gpu_seconds, leases) VALUES (?, ?, ?, ?, ?)",
        ((*key, *sums) for key, sums in usage.items()),
    )
    connection.execute("UPDATE meta SET value = ? WHERE key = 'ended_leases'", (leases,))
    connection.execute("UPDATE meta SET value = ? WHERE key = 'longest_lease'", (int(2 * DAY),))
    connection.execute("COMMIT")
    connection.close()


def _gpu(number: int) -> str:
    return f"GPU-{number:08x}-0000-4000-8000-{number:012x}"


def _leases(
    chance: random.Random,
    leases: int,
    usage: defaultdict[tuple[str, int, str], list[float]],
) -> Iterator[tuple[str, str, float, float, str, str]]:
    for number in range(leases):
        user = int(chance.random() ** 2 * USERS)
        group = f"group{user % GROUPS}"
        start = BEGIN + chance.random() * (NOW - BEGIN - 3 * DAY)
        end = start + min(chance.expovariate(1 / (4 * 3600)), 2 * DAY)
        gpu = _gpu(chance.randrange(GPUS))
        for step, (day, seconds) in enumerate(days(start, end)):
            for kind, name in (("user", f"user{user}"), ("group", group), ("gpu", gpu)):
                entry = usage[kind, day, name]
                entry[0] += seconds
                entry[1] += step == 0
        yield f"l{number}", f"user{user}", start, end, json.dumps([group]), gpu


def fastest(call: Callable[[], object]) -> tuple[float, object]:
    """Return how long the fastest of a few calls took, seconds, and what it returned."""
    best, found = float("inf"), None
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = call()
        best = min(best, time.perf_counter() - start)
    return best, found


def main(leases: int = LEASES) -> int:
    """Print the figures; return 1 when a sum takes too long."""
    with tempfile.TemporaryDirectory(prefix="gpudock-usage-") as directory:
        path = Path(directory) / "gpudock.sqlite"
        store = Store(f"sqlite:///{path}", durable=False)
        store.migrate()
        store.close()
        fill(path, leases)
        return _measure(path, leases)


def _measure(path: Path, leases: int) -> int:
    broker = DeskBroker(Store(f"sqlite:///{path}"), NoInventory("none"), clock=lambda: NOW)
    plain = sqlite3.connect(path)
    # Neither end is the beginning of a day, so both have leases to be read one by one.
    since, until = BEGIN + 0.4 * DAY, NOW - 0.3 * DAY
    print(f"Usage of {YEARS} years with {leases:,} leases, summed up (fastest of {REPEATS}):")
    print(f"  {'by':6}{'pieces':8}{'seconds':>9}{'rows':>8}{'plain SQL scan':>16}{'ratio':>7}")
    slowest = 0.0
    for by, query in _SCAN.items():
        scan, _ = fastest(lambda query=query: plain.execute(query, {"since": since}).fetchall())
        for bucket in (None, "month", "week"):
            seconds, rows = fastest(
                lambda by=by, bucket=bucket: broker.usage.report(since, until, by, bucket)
            )
            slowest = max(slowest, seconds)
            print(
                f"  {by:6}{bucket or 'none':8}{seconds:9.3f}{len(rows):8,}{scan:16.3f}"
                f"{seconds / scan:7.2f}"
            )
    result = "within" if slowest <= LIMIT_SECONDS else "NOT within"
    print(f"The slowest took {slowest:.3f} s: {result} {LIMIT_SECONDS:g} s.")
    return 0 if slowest <= LIMIT_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
