"""Clocks that are set: by hours, by years, to 1970; while the hub runs and while it does not."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gpudock.broker import DeskBroker
from gpudock.broker.clock import SteadyClock
from gpudock.model import (
    GPUReading,
    GPUState,
    InventoryReading,
    Lease,
    LeaseState,
    Observation,
    QueuePosition,
    Quota,
    Telemetry,
)
from gpudock.policy.scheduling.fair_share import FairShare
from gpudock.store import StoreError
from state_machine.lab import LAB, BrokerLab, ask

if TYPE_CHECKING:
    from pathlib import Path

    from gpudock.broker import Session

HOUR = 3600.0
YEARS = 56 * 365 * 24 * HOUR
TODAY = 1_800_000_000.0
JUMPS = [3 * HOUR, 24 * HOUR, YEARS, -3 * HOUR, -24 * HOUR, -YEARS, 120 - TODAY]


class Ticks:
    """A clock that cannot be set."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


class Lab(BrokerLab):
    """A lab with a clock that is set, and one that is not."""

    def __init__(self, path: Path) -> None:
        self.ticks = Ticks()
        super().__init__(
            f"sqlite:///{path}/gpudock.sqlite",
            default_quota=Quota(max_gpus=2, session_hours=4.0, max_session_hours=12.0),
            ticks=self.ticks,
        )
        self.clock.now = TODAY
        self.restart()

    def restart(self, *running: Lease) -> None:
        """Start again as another hub process, which sees the containers of *running*."""
        self.broker = self.new_broker()
        self.look(*map(self.activate_again, running))

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.ticks.now += seconds
        self.broker.tick()

    def pass_a_minute(self, utilization: int) -> None:
        self.clock.advance(60)
        self.ticks.now += 60
        self.read_gpus(utilization)

    def set_clock(self, by: float) -> None:
        """Set the clock; the agent goes on to read the GPUs."""
        self.clock.advance(by)
        self.read_gpus()

    def read_gpus(self, utilization: int = 0) -> None:
        telemetry = Telemetry(utilization_percent=utilization, memory_used_mib=100, processes=())
        self.inventory.current = InventoryReading(
            self.clock(), tuple(GPUReading(gpu, telemetry) for gpu in LAB)
        )
        self.broker.tick()

    def run(self, user: str = "ada", **options: object) -> Lease:
        lease = self.grant(user, **options)
        self.activate(lease, f"c-{lease.id}")
        return lease

    def end(self, lease: Lease) -> None:
        self.broker.leases.stop(lease.id, "stopped by its user")
        self.broker.leases.end(lease.id, "gone")

    def session(self, lease: Lease) -> Session:
        found = self.broker.sessions.get(lease.id)
        assert found is not None
        return found

    def left(self, lease: Lease) -> float:
        ends_at = self.session(lease).ends_at
        assert ends_at is not None
        return ends_at - self.clock()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_session_keeps_the_time_that_it_has_left(lab: Lab, jump: float) -> None:
    lease = lab.run()
    lab.pass_time(HOUR)
    lab.clock.advance(jump)
    assert lab.broker.sessions.due() == []
    assert lab.broker.sessions.expire(lease.id) is None
    lab.read_gpus()
    assert lab.left(lease) == pytest.approx(3 * HOUR)
    latest_end = lab.session(lease).lease.latest_end
    assert latest_end is not None
    assert latest_end - lab.clock() == pytest.approx(11 * HOUR), "what a promise may rely on"
    lab.pass_time(2.5 * HOUR)
    lab.pass_time(0.5 * HOUR - 10)
    assert lab.broker.sessions.due() == []
    lab.pass_time(10)
    assert [item.lease.id for item in lab.broker.sessions.due()] == [lease.id]
    assert lab.broker.sessions.expire(lease.id) is not None


@pytest.mark.parametrize("jump", JUMPS)
def test_a_session_can_be_extended_as_far_as_before(lab: Lab, jump: float) -> None:
    lease = lab.run()
    lab.pass_time(HOUR)
    lab.set_clock(jump)
    lab.broker.sessions.extend(lease.id, "ada", 100.0)
    assert lab.left(lease) == pytest.approx(11 * HOUR)


@pytest.mark.parametrize("jump", JUMPS)
def test_nobody_is_charged_for_hours_that_did_not_pass(lab: Lab, jump: float) -> None:
    lab.broker.quotas.set("default", "", {"gpu_hours": 10.0}, "root")
    lease = lab.run()
    lab.pass_time(HOUR)
    lab.set_clock(jump)
    lab.pass_time(HOUR)
    assert lab.broker.quotas.effective("ada", ()).used.gpu_hours == pytest.approx(2.0)
    lab.end(lease)
    assert lab.broker.quotas.effective("ada", ()).used.gpu_hours == pytest.approx(2.0)
    (row,) = lab.broker.usage.report(lab.clock() - 24 * HOUR, lab.clock() + 1, "user")
    assert row.gpu_hours == pytest.approx(2.0)


@pytest.mark.parametrize("jump", JUMPS)
def test_whoever_was_warned_has_been_warned(lab: Lab, jump: float) -> None:
    lease = lab.run()
    lab.pass_time(3.5 * HOUR)
    before = lab.session(lease)
    lab.set_clock(jump)
    after = lab.session(lease)
    assert lab.clock() - (after.warning_at or 0) == pytest.approx(0.0, abs=1)
    assert after.warning(lab.clock()) == before.warning(lab.clock() - jump) == HOUR
    assert lab.left(lease) == pytest.approx(0.5 * HOUR)


@pytest.mark.parametrize("jump", JUMPS)
def test_requests_have_waited_for_as_long_as_they_have(lab: Lab, jump: float) -> None:
    lab.options["ordering"] = FairShare()
    lab.restart()
    lab.run("ada", gpus=2)
    lab.broker.requests.submit(ask("bob", created_at=lab.clock()))
    lab.pass_time(2 * HOUR)
    lab.broker.requests.submit(ask("cy", created_at=lab.clock()))
    lab.set_clock(jump)
    lab.broker.requests.submit(ask("dora", created_at=lab.clock()))
    lab.pass_time(60)
    waited = [lab.clock() - request.created_at for request in lab.broker.queue.waiting()]
    assert waited == pytest.approx([2 * HOUR + 60, 60, 60])
    assert [entry.request.user for entry in lab.broker.queue.entries()] == ["bob", "cy", "dora"]


@pytest.mark.parametrize("jump", JUMPS)
def test_the_desk_goes_on_and_tells_the_same(lab: Lab, jump: float) -> None:
    ended = lab.run("eve")
    lab.pass_time(HOUR)
    lab.end(ended)
    lab.pass_time(60)
    lab.read_gpus()
    lease = lab.run("ada", gpus=2)
    desk = DeskBroker(lab.store, lab.inventory, clock=lab.clock, ticks=lab.ticks)
    lab.broker.requests.submit(ask("bob", created_at=lab.clock()))
    assert [entry.request.user for entry in desk.queue.entries()] == ["bob"]
    lab.set_clock(jump)
    assert [entry.request.user for entry in desk.queue.entries()] == ["bob"]
    shown = desk.sessions.get(lease.id)
    assert shown is not None
    assert shown.ends_at == lab.session(lease).ends_at
    desk.sessions.extend(lease.id, "ada", 1.0)
    assert lab.left(lease) == pytest.approx(5 * HOUR)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_container_that_ends_gives_its_gpu_back(lab: Lab, jump: float) -> None:
    lease = lab.run()
    lab.set_clock(jump)
    lab.pass_time(10)
    lab.broker.reconcile(Observation(lab.ticks()))
    assert lab.state(lease) is LeaseState.ENDED
    lab.pass_time(10)
    lab.read_gpus()
    assert set(lab.gpu_states().values()) == {GPUState.FREE}


@pytest.mark.parametrize("jump", JUMPS)
def test_a_gpu_that_came_free_is_given_again(lab: Lab, jump: float) -> None:
    lease = lab.run(gpus=2)
    lab.end(lease)
    lab.set_clock(jump)
    lab.pass_time(10)
    lab.read_gpus()
    assert isinstance(lab.broker.requests.submit(ask("bob", gpus=2)), Lease)


@pytest.mark.integration
@pytest.mark.parametrize("jump", JUMPS)
def test_an_idle_gpu_is_taken_back_when_it_is_time(lab: Lab, jump: float) -> None:
    lab.broker.quotas.set("default", "", {"idle_minutes": 60.0}, "root")
    lease = lab.run()
    lab.pass_time(10)
    lab.read_gpus(90)
    for minute in range(1, 61):
        assert lab.broker.sessions.due() == [], minute
        if minute == 30:
            lab.clock.advance(jump)
        lab.pass_a_minute(utilization=0)
    assert [item.lease.id for item in lab.broker.sessions.due()] == [lease.id]


def test_a_jump_that_cannot_be_written_down_is_made_up_for_once(lab: Lab) -> None:
    lease = lab.run()
    lab.clock.advance(24 * HOUR)
    lab.store.failures = 3
    for _ in range(2):
        lab.broker.tick()
        assert lab.broker.sessions.due() == []
    with pytest.raises(StoreError):
        lab.broker.quotas.set("default", "", {"max_gpus": 1}, "root")
    lab.broker.tick()
    assert lab.left(lease) == pytest.approx(4 * HOUR, abs=5)
    lab.broker.tick()
    assert lab.left(lease) == pytest.approx(4 * HOUR, abs=5)


def test_a_clock_that_is_put_right_by_a_little_changes_nothing(lab: Lab) -> None:
    lease = lab.run()
    ends_at = lab.session(lease).ends_at
    for by in (-30.0, 20.0, 59.0, -59.0):
        lab.set_clock(by)
        assert lab.session(lease).ends_at == ends_at


# The hub is started by another clock.


def test_a_hub_that_starts_in_1970_and_learns_the_time_costs_nobody_anything(lab: Lab) -> None:
    lab.broker.quotas.set("default", "", {"gpu_hours": 100.0}, "root")
    lease = lab.run(gpus=2)
    lab.broker.requests.submit(ask("bob", created_at=lab.clock()))
    lab.pass_time(HOUR)
    lab.broker.requests.submit(ask("cy", created_at=lab.clock()))
    lab.pass_time(HOUR)
    real = lab.clock()
    lab.clock.now = 120.0
    lab.restart(lease)
    assert lab.left(lease) == pytest.approx(4 * HOUR, abs=5), "what has passed is not known"
    lab.clock.now = real
    lab.read_gpus()
    assert lab.left(lease) == pytest.approx(4 * HOUR, abs=5)
    assert lab.broker.quotas.effective("ada", ()).used.gpu_hours == pytest.approx(0.0, abs=0.01)
    bob, cy = (lab.clock() - request.created_at for request in lab.broker.queue.waiting())
    assert bob - cy == pytest.approx(HOUR)
    assert 0 <= cy < 10
    assert lab.broker.sessions.due() == []


def test_a_gpu_that_came_free_in_the_future_is_given_again(lab: Lab) -> None:
    lab.clock.advance(5 * HOUR)
    lab.restart()
    lease = lab.run(gpus=2)
    lab.end(lease)
    lab.clock.advance(-5 * HOUR)
    lab.restart()
    lab.pass_time(10)
    lab.read_gpus()
    lab.pass_time(1)
    assert isinstance(lab.broker.requests.submit(ask("bob", gpus=2)), Lease)


def test_requests_from_the_future_keep_their_order_and_let_nobody_newer_by(lab: Lab) -> None:
    lab.options["ordering"] = FairShare()
    lab.clock.advance(YEARS)
    lab.restart()
    lease = lab.run(gpus=2)
    for user in ("bob", "cy"):
        assert isinstance(
            lab.broker.requests.submit(ask(user, created_at=lab.clock())), QueuePosition
        )
        lab.pass_time(HOUR)
    lab.clock.advance(-YEARS)
    lab.restart(lease)
    lab.pass_time(60)
    lab.broker.requests.submit(ask("dora", created_at=lab.clock()))
    lab.pass_time(10)
    assert [entry.request.user for entry in lab.broker.queue.entries()] == ["bob", "cy", "dora"]


def test_work_in_the_future_does_not_keep_a_gpu_that_is_idle_now(lab: Lab) -> None:
    lab.broker.quotas.set("default", "", {"idle_minutes": 30.0}, "root")
    lease = lab.run()
    lab.set_clock(5 * HOUR)
    for _ in range(3):
        lab.pass_a_minute(utilization=90)
    (stored,) = lab.broker.leases.live()
    assert (stored.active_at or 0) > TODAY + 5 * HOUR, "it is written down"
    # As after a power cut: the session began by the right clock.
    with lab.store.transaction() as transaction:
        transaction.leases.update(replace(stored, granted_at=TODAY))
    lab.clock.advance(-5 * HOUR)
    lab.restart(lease)
    for _ in range(33):
        lab.pass_a_minute(utilization=0)
    assert [item.lease.id for item in lab.broker.sessions.due()] == [lease.id]


def test_a_process_that_is_put_aside_between_its_two_clocks_is_never_ahead() -> None:
    """What one process ends, another that grants it later must not have begun before."""
    chance = random.Random(1)
    elapsed = [0.0]

    def pause() -> None:
        elapsed[0] += chance.choice([0.0, 0.001, 0.05])

    def clock() -> float:
        pause()
        return TODAY + elapsed[0]

    def ticks() -> float:
        pause()
        return 50.0 + elapsed[0]

    steady = SteadyClock(clock, ticks)
    shown = [steady.time()]
    for _ in range(1000):
        shown.append(steady.time())
        # Floats of this size are exact to less than a microsecond, and a thousand are added up.
        assert shown[-1] <= TODAY + elapsed[0] + 1e-3
        assert shown[-1] >= shown[-2]
