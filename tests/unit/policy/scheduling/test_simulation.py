"""The simulation measures what it says, and the queue holds what the documentation claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.fairness import seeds, synthetic, trace
from benchmarks.fairness.__main__ import POLICIES
from benchmarks.fairness.jobs import Job, Setting, device
from benchmarks.fairness.measure import dues, jain, jain_of_dues, percentile, slowest
from benchmarks.fairness.replay import Policy, Replay, Run
from gpudock.policy.scheduling.ordering import FirstCome

if TYPE_CHECKING:
    from gpudock.policy.scheduling.snapshot import Snapshot, Waiting

HOUR = 3600.0
DAY = 24 * HOUR


def run(user: str, arrival: float, start: float, end: float, gpus: int = 1) -> Run:
    job = Job(0, user, gpus, arrival, end - start)
    return Run(job, start, end, gpus, ("GPU-0",), backfilled=False)


def test_jains_index() -> None:
    assert jain([3.0, 3.0, 3.0]) == pytest.approx(1.0)
    assert jain([1.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)


def test_what_is_due_is_shared_by_weight_and_nobody_gets_more_than_they_wanted() -> None:
    assert dues({"a": 1.0, "b": 9.0, "c": 9.0}, 9.0, {}) == {"a": 1.0, "b": 4.0, "c": 4.0}
    assert dues({"a": 9.0, "b": 9.0}, 9.0, {"a": 2.0}) == {"a": 6.0, "b": 3.0}


def test_a_lab_where_nobody_waits_is_fair_and_one_that_forgets_somebody_is_not() -> None:
    assert jain_of_dues([run("a", 0, 0, 9 * HOUR), run("b", 0, 0, HOUR)], {}) == 1.0
    served = [run("a", 0, 0, 12 * HOUR), run("a", 0, 12 * HOUR, DAY)]
    forgotten = run("b", 0, DAY, 2 * DAY)
    # On the first day each was due half of it; one got all, the other nothing.
    assert jain_of_dues([*served, forgotten], {}) == pytest.approx(0.5)


@pytest.mark.parametrize(("part", "value"), [(0.5, 5.0), (0.95, 10.0), (0.9, 9.0), (1.0, 10.0)])
def test_percentiles(part: float, value: float) -> None:
    assert percentile([float(n) for n in range(1, 11)], part) == value


def test_the_slowest() -> None:
    assert slowest([float(n) for n in range(1, 41)], 0.05) == 39.5
    assert slowest([1.0, 2.0], 0.05) == 2.0


def test_two_policies_are_compared_run_by_run() -> None:
    """The same jobs of three users, served in turn; the second policy serves the last first."""
    setting = Setting(
        "one",
        "one GPU",
        (device(0, 0, "host", "T4", 15360),),
        tuple(
            Job(number, f"user{number}", 1, 1.0 + number, HOUR * (1 + number))
            for number in range(3)
        ),
        {f"user{number}": 3.0 for number in range(3)},
    )

    class LastComeFirst:
        def order(self, snapshot: Snapshot) -> list[Waiting]:
            return FirstCome().order(snapshot)[::-1]

        def delays(self, snapshot: Snapshot) -> dict[str, float]:
            return {}

    policies = [Policy("first", FirstCome(), True), Policy("last", LastComeFirst(), True)]
    results = seeds.replay(lambda seed: setting, range(4), policies)
    found = seeds.compare(results["first"], results["last"])
    # Waits of 0, 1 and 3 hours beside 0, 3 and 5, and some seconds.
    assert found.p95.least == pytest.approx(found.p95.most)
    assert found.p95.mean == pytest.approx(3 / 5, rel=0.02)
    assert found.mean.mean == pytest.approx(4 / 8, rel=0.02)
    assert found.p95_seconds.mean == pytest.approx(-2 * HOUR, rel=0.02)
    assert (found.p95.better, found.p95.runs, found.p95_seconds.better) == (4, 4, 4)
    assert seeds.compare(results["last"], results["first"]).p95.better == 0


@pytest.mark.simulation
def test_the_interval_of_a_comparison_holds_its_mean_and_lies_within_the_runs() -> None:
    make = synthetic.course
    results = seeds.replay(make, range(1, 6), [POLICIES[0], POLICIES[-1]])
    found = seeds.compare(results[POLICIES[-1].name], results[POLICIES[0].name])
    for spread in (found.p95, found.mean, found.jain, found.use):
        assert spread.least <= spread.low <= spread.mean <= spread.high <= spread.most
    assert found.p95.least < found.p95.low
    assert found.p95.high < found.p95.most


def test_plain_fair_share_knows_past_use_only() -> None:
    setting = Setting(
        "one",
        "one GPU",
        (device(0, 0, "host", "T4", 15360),),
        (
            Job(0, "ada", 1, 0.0, HOUR),
            Job(1, "ada", 1, 0.0, HOUR),
            Job(2, "ada", 1, 0.0, HOUR),
            Job(3, "bob", 1, 2700.0, HOUR),
        ),
        {"ada": 1.0, "bob": 12.0},
    )
    replay = Replay(setting, POLICIES[1]).go()
    assert [entry.job.number for entry in replay.runs] == [0, 3, 1, 2]


def test_a_replay_of_three_jobs_on_one_gpu() -> None:
    setting = Setting(
        "one",
        "one GPU",
        (device(0, 0, "host", "T4", 15360),),
        tuple(Job(number, f"user{number}", 1, 0.0, HOUR) for number in range(3)),
        {f"user{number}": 1.0 for number in range(3)},
    )
    replay = Replay(setting, Policy("first come", FirstCome(), backfill=False)).go()
    assert [entry.start for entry in replay.runs] == [0.0, HOUR, 2 * HOUR]
    assert [entry.job.number for entry in replay.runs] == [0, 1, 2]


# If all want one GPU of one kind, reordering gains little. In the company, two users want several
# times their fair part, and it is they who wait longest. docs/queue.md explains both.
@pytest.mark.simulation
@pytest.mark.parametrize(
    ("make", "p95", "mean"),
    [
        (synthetic.course, 1.0, 1.02),
        (synthetic.research, 0.85, 0.6),
        (synthetic.company, 1.15, 0.3),
    ],
)
def test_the_queue_is_fairer_than_first_come_and_waits_are_no_longer(make, p95, mean) -> None:
    """In the mean of several labs: in a single one luck decides more than any rule."""
    results = seeds.replay(make, range(1, 7), [POLICIES[0], POLICIES[-1]])
    found = seeds.compare(results[POLICIES[-1].name], results[POLICIES[0].name])
    assert found.jain.least > 0
    assert found.p95.mean <= p95
    assert found.mean.mean <= mean
    assert found.use.mean >= -0.001


def test_a_trace_is_read_and_a_folder_without_one_is_named(tmp_path) -> None:
    (tmp_path / trace.NODES).write_text(
        "sn,cpu_milli,memory_mib,gpu,model\nn1,64,256,8,G2\nn2,64,256,2,T4\nn3,64,256,8,G2\n"
    )
    (tmp_path / trace.TASKS).write_text(
        "name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time,scheduled_time\n"
        "early,1,1,1,1000,5,10,5\n"
        "one,4,8,1,500,9936100,9939000,9936100\n"
        "same,4,8,1,500,9936200,9939300,\n"
        "other,8,8,2,1000,9936000,9990000,9936000\n"
        "cpu,8,8,0,0,9936000,9990000,9936000\n"
        "service,8,8,1,1000,9936000,99990000,9936000\n"
    )
    setting = trace.read(tmp_path, 2)
    assert [(job.user, job.gpus, job.duration) for job in setting.jobs] == [
        ("8-8-2-1000", 2, 54000.0),
        ("4-8-1-500", 1, 2900.0),
        ("4-8-1-500", 1, 3100.0),
    ]
    assert setting.max_session_hours == {"8-8-2-1000": 24.0, "4-8-1-500": 1.0}
    assert len(setting.gpus) == 10
    with pytest.raises(trace.TraceError, match="consists of the files"):
        trace.read(tmp_path / "nowhere", 2)
