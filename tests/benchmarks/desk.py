"""How long the desk takes for one page of the quota table in a lab of 5,000 users.

Run as ``PYTHONPATH=tests python -m benchmarks.desk``. Every user has a place in a group, every
fifth a document of their own, and every fiftieth a session; there are 2,000 ended sessions. The
time is the one from the request to the text of the answer, without the network; beside it stands
the processor's time, which other work on the machine does not change.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from gpudock.broker import Broker, QuotaChange
from gpudock.desk.api.tables import SORTS, TableQuery, _page
from gpudock.desk.hub import Person
from gpudock.inventory import NoInventory
from gpudock.model import GPU, Lease, Quota
from gpudock.store import Store

USERS = 5_000
GROUPS = 100
SESSIONS = 2_000
GPUS = 100
ROUNDS = 5
DAY = 86_400.0


def main() -> None:
    """Make the lab, and print the times of each order of the table."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder)}/lab.sqlite", durable=False)
        store.migrate()
        people = {
            f"user{n:04d}": Person(f"user{n:04d}", (f"group{n % GROUPS:02d}",))
            for n in range(USERS)
        }
        _fill(store, list(people))
        broker = Broker(
            store, NoInventory("none"), default_quota=Quota(gpu_hours=100.0), watching=True
        )
        sys.stdout.write(f"{'order':20} {'p50 ms':>8} {'most ms':>8} {'CPU ms':>8}\n")
        for sort in SORTS:
            query = TableQuery.model_validate_strings({"sort": f"-{sort}", "limit": "50"})
            times, efforts = [], []
            for _ in range(ROUNDS):
                begun, effort = time.perf_counter(), time.thread_time()
                page = _page(broker, query, people, (), None)
                page.model_dump_json()
                times.append((time.perf_counter() - begun) * 1000)
                efforts.append((time.thread_time() - effort) * 1000)
            assert (len(page.rows), page.total) == (50, USERS)
            middle, slowest = statistics.median(times), max(times)
            effort = statistics.median(efforts)
            sys.stdout.write(f"{sort:20} {middle:8.1f} {slowest:8.1f} {effort:8.1f}\n")
        store.close()


def _fill(store: Store, users: list[str]) -> None:
    now = time.time()
    writer = Broker(store, NoInventory("none"))
    changes = [QuotaChange("user", name, {"max_gpus": 2}) for name in users[::5]]
    changes += [QuotaChange("group", f"group{n:02d}", {"weight": 1 + n % 3}) for n in range(GROUPS)]
    writer.set_quotas(changes, "benchmark")
    with store.transaction() as transaction:
        for n in range(GPUS):
            transaction.save_gpu(GPU(f"GPU-{n}", n, "host", "NVIDIA L4", 23_034), now)
        for n in range(SESSIONS):
            user = users[n * 7 % len(users)]
            start = now - DAY * (1 + n % 25)
            lease = Lease(f"ended{n}", user, "", "image", (f"GPU-{n % GPUS}",), start)
            transaction.add_lease(lease)
            transaction.end_lease(lease, "over", start + 3600 * (1 + n % 8))
        for n, user in enumerate(users[::50]):
            transaction.add_lease(Lease(f"live{n}", user, "", "image", (f"GPU-{n}",), now - 3600))


if __name__ == "__main__":
    main()
