from __future__ import annotations

import asyncio
import time

import pytest

from jupyterlab_gpudock.nvml.readings import State
from jupyterlab_gpudock.stream.interval import clamp_interval
from jupyterlab_gpudock.stream.sampler import Sampler


class HandheldClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return HandheldClock()


@pytest.fixture
def sampler(reader, clock):
    sampler = Sampler(reader, 1.0, clock=clock, wall_clock=clock)
    yield sampler
    sampler.close()


@pytest.mark.parametrize(
    ("requested", "used"),
    [(0.0, 0.5), (-3.0, 0.5), (0.5, 0.5), (2.0, 2.0), (60.0, 60.0), (1e9, 60.0)],
)
def test_the_interval_stays_between_half_a_second_and_a_minute(requested, used, reader):
    assert clamp_interval(requested) == used
    assert Sampler(reader, requested).interval_s == used


def test_nothing_is_read_before_somebody_looks(sampler, reader):
    assert sampler.newest is None
    assert reader.reads == 0


async def test_many_who_ask_at_once_share_one_reading(sampler, reader):
    snapshots = await asyncio.gather(*(sampler.fresh(10) for _ in range(20)))
    assert reader.reads == 1
    assert len({snapshot.sequence for snapshot in snapshots}) == 1


async def test_a_reading_serves_for_one_interval(sampler, reader, clock):
    await sampler.fresh(10)
    clock.now += 0.9
    await sampler.fresh(10)
    assert reader.reads == 1
    clock.now += 0.2
    await sampler.fresh(10)
    assert reader.reads == 2


async def test_the_history_forgets_after_ten_minutes(sampler, clock):
    for _ in range(12):
        await sampler.fresh(10)
        clock.now += 60
    times = [time for time, _ in sampler.history()]
    assert times == [1000.0 + 60 * minute for minute in range(2, 12)]


async def test_an_old_snapshot_is_marked_stale_with_its_age(sampler, reader, clock):
    fresh = await sampler.fresh(10)
    assert sampler.document(fresh)["stale"] is False
    reader.may_return.clear()
    clock.now += 42
    old = await sampler.fresh(0.05)
    assert old is fresh
    document = sampler.document(old)
    assert (document["stale"], document["age_s"]) == (True, 42.0)


async def test_an_unexpected_error_of_the_gate_is_a_state_and_the_thread_goes_on(
    sampler, reader, clock
):
    reader.error = OSError("out of luck")
    failed = await sampler.fresh(10)
    assert failed.reading.state is State.FAILED
    assert failed.reading.detail == "OSError: out of luck"
    reader.error = None
    clock.now += 2
    assert (await sampler.fresh(10)).reading.state is State.OK


async def test_a_busy_event_loop_gets_the_newest_snapshot_not_a_queue(reader):
    sampler = Sampler(reader, 0.5)
    seen = []
    stop = sampler.watch(seen.append)
    deadline = time.monotonic() + 10
    while reader.reads < 4 and time.monotonic() < deadline:
        time.sleep(0.05)  # noqa: ASYNC251  the point is to hold up the loop
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stop()
    sampler.close()
    # Four readings or more, and at most two calls: what had piled up, and one that just came.
    assert 1 <= len(seen) <= 2
    assert seen[0].sequence >= 3


async def test_a_closed_sampler_reads_no_more(sampler, reader, clock):
    await sampler.fresh(10)
    sampler.close()
    clock.now += 5
    assert (await sampler.fresh(0.2)).sequence == 1
    assert reader.reads == 1


def test_an_interval_that_is_no_number_is_rejected(sampler):
    with pytest.raises(ValueError, match="NaN"):
        sampler.set_interval(float("nan"))
    assert sampler.interval_s == 1.0


async def test_a_faster_rate_holds_from_now_on(reader, until):
    sampler = Sampler(reader, 60.0)
    stop = sampler.watch(lambda snapshot: None)
    await until(lambda: reader.reads == 1, "the first reading")
    sampler.set_interval(0.0)
    assert sampler.interval_s == 0.5
    await until(lambda: reader.reads >= 3, "readings long before the minute is over")
    stop()
    sampler.close()
