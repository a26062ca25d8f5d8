"""The trace of a GPU cluster as it was published: nodes in one file, tasks in another.

The trace lacks three things, which are added in the same way at each run:

* **Users.** Tasks that ask for exactly the same processors, memory and GPUs count as one user's:
  users who submit with a script always ask for the same.
* **Limits of sessions.** A user's is the shortest of 1, 4, 12, 24, 72 and 168 hours in which each
  of their tasks ends. A task that runs for longer than a week is a service, not a session, and is
  left out.
* **Whole GPUs.** A task that asks for a part of a GPU gets a whole one.
"""

from __future__ import annotations

import csv
from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.fairness.jobs import Job, Setting, device

if TYPE_CHECKING:
    from pathlib import Path

NODES = "openb_node_list_gpu_node.csv"
TASKS = "openb_pod_list_default.csv"

_LIMITS = (1.0, 4.0, 12.0, 24.0, 72.0, 168.0)
_HOUR = 3600.0
# Before it a few tasks a month arrive; nearly all come in the five weeks after.
_BEGIN = 115 * 86400.0
_MEMORY_MIB = {"P100": 16384, "T4": 15360, "V100M16": 16384, "V100M32": 32768, "A10": 23028}
_OTHER_MIB = 40960


class TraceError(Exception):
    """The trace cannot be read; the message says why and what to do."""


def read(folder: Path, nodes: int) -> Setting:
    """Read the trace into a lab of *nodes* of the cluster's hosts, in its mixture.

    Raises:
        TraceError: a file is missing or is not what it should be.
    """
    try:
        hosts = _rows(folder / NODES)
        tasks = _rows(folder / TASKS)
        return _setting(hosts, tasks, nodes)
    except (OSError, KeyError, ValueError) as error:
        raise TraceError(
            f'The trace in "{folder}" cannot be read ({error}). It consists of the files {NODES}'
            f" and {TASKS}."
        ) from error


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _setting(hosts: list[dict[str, str]], tasks: list[dict[str, str]], nodes: int) -> Setting:
    chosen = _mixture(hosts, nodes)
    gpus = []
    for host in chosen:
        for index in range(int(host["gpu"])):
            memory = _MEMORY_MIB.get(host["model"], _OTHER_MIB)
            gpus.append(device(len(gpus), index, host["sn"], host["model"], memory))
    largest = max(int(host["gpu"]) for host in chosen)
    wanted = []
    for task in tasks:
        arrival = float(task["creation_time"])
        duration = float(task["deletion_time"]) - float(task["scheduled_time"] or arrival)
        count = int(task["num_gpu"])
        if 0 < count <= largest and arrival >= _BEGIN and 0 < duration <= _LIMITS[-1] * _HOUR:
            shape = (task["cpu_milli"], task["memory_mib"], task["num_gpu"], task["gpu_milli"])
            wanted.append((arrival, task["name"], "-".join(shape), count, duration))
    wanted.sort()
    longest: dict[str, float] = {}
    for _, _, user, _, duration in wanted:
        longest[user] = max(longest.get(user, 0.0), duration / _HOUR)
    return Setting(
        name=f"trace, {len(chosen)} hosts",
        about=(
            f"{len(wanted)} tasks of {len(longest)} users in five weeks; {len(gpus)} GPUs in"
            f" {len(chosen)} of the cluster's {len(hosts)} hosts"
        ),
        gpus=tuple(gpus),
        jobs=tuple(
            Job(number, user, count, arrival, duration)
            for number, (arrival, _, user, count, duration) in enumerate(wanted)
        ),
        max_session_hours={
            user: next(limit for limit in _LIMITS if hours <= limit)
            for user, hours in longest.items()
        },
    )


def _mixture(hosts: list[dict[str, str]], nodes: int) -> list[dict[str, str]]:
    """Choose hosts so that each kind has the part of them that it has of the cluster."""
    if not 0 < nodes <= len(hosts):
        raise ValueError(f"there are {len(hosts)} hosts, and {nodes} were asked for")
    kinds = Counter((host["model"], host["gpu"]) for host in hosts)
    exact = {kind: nodes * count / len(hosts) for kind, count in kinds.items()}
    take = {kind: int(part) for kind, part in exact.items()}
    by_remainder = sorted(kinds, key=lambda kind: (take[kind] - exact[kind], kind))
    for kind in by_remainder[: nodes - sum(take.values())]:
        take[kind] += 1
    chosen = []
    for host in sorted(hosts, key=lambda host: host["sn"]):
        kind = (host["model"], host["gpu"])
        if take[kind]:
            take[kind] -= 1
            chosen.append(host)
    return chosen
