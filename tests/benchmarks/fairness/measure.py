"""The results of a replay.

**Fairness** is Jain's index, (sum x)^2 / (n sum x^2), of what each user received of what was due
to them, a day at a time. What is due is the weighted max-min fair share of the GPU-seconds that the
lab really gave on that day: nobody's due is more than they wanted (ran or waited for), and users
who wanted more than their due all have the same due per weight. The index is 1 when everybody
got their due, and 1/n when one of n users got everything. Days are weighted by how many users
wanted something; days on which everybody got all they wanted say nothing and are left out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.fairness.jobs import Setting
    from benchmarks.fairness.replay import Replay, Run

_DAY = 86400.0


@dataclass(frozen=True)
class Result:
    """Figures of one replay; times are seconds.

    Attributes:
        waits: of every job, sorted.
        mean, p95, p99: of the waits.
        slowest: the mean of the longest twentieth of the waits.
        jain: see the module.
        use: busy part of all GPU time until the last job arrived.
        fragmentation: the part of idle GPU time that lies in hosts of which something is in use,
            so that no whole host of it is available.
        makespan: from the first arrival to the last end.
        passed: how many jobs passed somebody who waited.
        decisions: how often the queue was decided on.
    """

    waits: tuple[float, ...]
    mean: float
    p95: float
    p99: float
    slowest: float
    jain: float
    use: float
    fragmentation: float
    makespan: float
    passed: int
    decisions: int


def measure(replay: Replay) -> Result:
    """Work out the figures of a replay that has run to its end."""
    setting, runs = replay.setting, replay.runs
    waits = sorted(run.start - run.job.arrival for run in runs)
    begin, last = setting.jobs[0].arrival, setting.jobs[-1].arrival
    busy = sum(run.gpu_share * max(0.0, min(run.end, last) - max(run.start, begin)) for run in runs)
    return Result(
        waits=tuple(waits),
        mean=sum(waits) / len(waits),
        p95=percentile(waits, 0.95),
        p99=percentile(waits, 0.99),
        slowest=slowest(waits, 0.05),
        jain=jain_of_dues(runs, setting.weights),
        use=busy / (len(setting.gpus) * (last - begin)),
        fragmentation=_fragmentation(setting, runs, begin, last),
        makespan=max(run.end for run in runs) - begin,
        passed=sum(run.backfilled for run in runs),
        decisions=replay.decisions,
    )


def percentile(ordered: list[float], part: float) -> float:
    """Return the smallest of *ordered* that at least *part* of them do not exceed."""
    return ordered[min(len(ordered) - 1, max(0, -(-int(part * 1000) * len(ordered) // 1000) - 1))]


def slowest(ordered: list[float], part: float) -> float:
    """Return the mean of the largest *part* of *ordered*, of one value at least."""
    count = max(1, round(part * len(ordered)))
    return sum(ordered[-count:]) / count


def jain(values: list[float]) -> float:
    """Return Jain's index of *values*, of which one at least is not 0."""
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values))


def dues(wanted: dict[str, float], given: float, weights: dict[str, float]) -> dict[str, float]:
    """Divide *given* by weight, nobody more than they wanted (max-min fair)."""
    due: dict[str, float] = {}
    left = given
    by_need = sorted(wanted, key=lambda user: wanted[user] / weights.get(user, 1.0))
    weight = sum(weights.get(user, 1.0) for user in wanted)
    for user in by_need:
        share = left * weights.get(user, 1.0) / weight
        due[user] = min(wanted[user], share)
        left -= due[user]
        weight -= weights.get(user, 1.0)
    return due


def jain_of_dues(runs: list[Run], weights: dict[str, float]) -> float:
    """Return the mean of the days' indices; 1 when nobody ever had to wait."""
    got: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    wanted: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for run in runs:
        for day, seconds in _days(run.start, run.end):
            got[day][run.job.user] += run.gpu_share * seconds
            wanted[day][run.job.user] += run.gpu_share * seconds
        for day, seconds in _days(run.job.arrival, run.start):
            # Nobody wants a session for longer than it lasts, however long they wait for it.
            wanted[day][run.job.user] += run.gpu_share * min(seconds, run.job.duration)
    total = people = 0.0
    for day, amounts in wanted.items():
        given = sum(got[day].values())
        if given == 0 or sum(amounts.values()) <= given * (1 + 1e-9):
            continue
        due = dues(amounts, given, weights)
        parts = [got[day][user] / due[user] for user in amounts if due[user] > 0]
        total += len(parts) * jain(parts)
        people += len(parts)
    return total / people if people else 1.0


def _days(begin: float, end: float) -> list[tuple[int, float]]:
    parts = []
    while begin < end:
        day = int(begin // _DAY)
        until = min(end, (day + 1) * _DAY)
        parts.append((day, until - begin))
        begin = until
    return parts


def _fragmentation(setting: Setting, runs: list[Run], begin: float, last: float) -> float:
    host_of = {gpu.uuid: gpu.host for gpu in setting.gpus}
    size: dict[str, int] = defaultdict(int)
    for gpu in setting.gpus:
        size[gpu.host] += 1
    events: list[tuple[float, int, str]] = []
    for run in runs:
        for uuid in run.uuids:
            events.append((run.start, 1, uuid))
            events.append((run.end, -1, uuid))
    events.sort()
    sessions: dict[str, int] = defaultdict(int)
    used: dict[str, int] = defaultdict(int)
    idle = stuck = 0.0
    now = begin
    for moment, change, uuid in events:
        step = min(moment, last) - now
        if step > 0:
            free = {host: size[host] - used[host] for host in size}
            idle += step * sum(free.values())
            stuck += step * sum(count for host, count in free.items() if used[host])
            now += step
        before = sessions[uuid]
        sessions[uuid] += change
        used[host_of[uuid]] += (sessions[uuid] > 0) - (before > 0)
    return stuck / idle if idle else 0.0
