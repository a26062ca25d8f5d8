"""Sessions as the broker keeps them: when they end, and what users and clocks do to them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gpudock.broker import DeskBroker, EndCause, ExtensionError
from gpudock.model import (
    Denial,
    GPUReading,
    InventoryReading,
    Lease,
    LeaseState,
    QueuePosition,
    Quota,
    Telemetry,
    WhenBusy,
)
from gpudock.store import StoreError
from state_machine.lab import LAB, BrokerLab, ask

if TYPE_CHECKING:
    from pathlib import Path

    from gpudock.broker import Session

HOUR = 3600.0


@pytest.fixture
def lab(tmp_path: Path) -> BrokerLab:
    quota = Quota(max_gpus=2, session_hours=4.0, max_session_hours=12.0)
    return BrokerLab(f"sqlite:///{tmp_path}/gpudock.sqlite", default_quota=quota)


def session(lab: BrokerLab, lease: Lease) -> Session:
    found = lab.broker.sessions.get(lease.id)
    assert found is not None
    return found


def run(lab: BrokerLab, user: str = "ada", server: str = "", **options: object) -> Lease:
    """Start a server whose container runs."""
    lease = lab.grant(user, server, **options)
    lab.activate(lease, f"c-{lease.id}")
    return lease


def end(lab: BrokerLab, lease: Lease) -> None:
    lab.broker.leases.stop(lease.id, "stopped by its user")
    lab.broker.leases.end(lease.id, "gone")


def read(lab: BrokerLab, utilization: int | None, memory_mib: int | None = 100) -> None:
    telemetry = Telemetry(utilization_percent=utilization, memory_used_mib=memory_mib)
    lab.read(*(GPUReading(item, telemetry) for item in LAB))


# Time.


def test_a_session_lasts_as_long_as_the_quota_says(opened: BrokerLab) -> None:
    lease = run(opened)
    assert lease.expires_at == lease.granted_at + 4 * HOUR
    assert lease.latest_end == lease.granted_at + 12 * HOUR
    assert opened.broker.sessions.due() == []
    opened.clock.advance(4 * HOUR - 1)
    opened.broker.tick()
    assert opened.broker.sessions.due() == []
    opened.clock.advance(900)  # nobody looked for hours, so the warning comes first
    (due,) = opened.broker.sessions.due()
    assert (due.lease.id, due.reason) == (lease.id, "its time was up")
    assert opened.broker.sessions.expire(lease.id) == "its time was up"
    assert opened.state(lease) is LeaseState.STOPPING
    assert opened.broker.sessions.due() == []


def test_whoever_was_warned_in_time_is_ended_in_time(opened: BrokerLab) -> None:
    lease = run(opened)
    opened.clock.advance(3.5 * HOUR)
    opened.broker.tick()
    assert session(opened, lease).warning_at == opened.clock()
    opened.clock.advance(0.5 * HOUR)
    assert [item.lease.id for item in opened.broker.sessions.due()] == [lease.id]


def test_a_hub_that_comes_back_late_warns_first(opened: BrokerLab) -> None:
    lease = run(opened)
    seen = opened.activate_again(lease)
    opened.clock.advance(10 * HOUR)
    opened.broker = opened.new_broker()
    opened.look(seen)
    assert opened.broker.sessions.due() == []
    assert session(opened, lease).ends_at == pytest.approx(opened.clock() + 900, abs=5)
    opened.clock.advance(901)
    assert [item.lease.id for item in opened.broker.sessions.due()] == [lease.id]


def test_a_hub_that_has_not_looked_yet_ends_nobody(opened: BrokerLab) -> None:
    run(opened)
    opened.clock.advance(3.5 * HOUR)
    opened.broker.tick()
    opened.clock.advance(HOUR)
    opened.broker = opened.new_broker()
    assert opened.broker.sessions.due() == []


def test_what_was_extended_in_the_last_moment_is_not_ended(opened: BrokerLab) -> None:
    lease = run(opened)
    opened.clock.advance(3.5 * HOUR)
    opened.broker.tick()
    opened.clock.advance(HOUR)
    assert opened.broker.sessions.due()
    opened.broker.sessions.extend(lease.id, "ada")
    assert opened.broker.sessions.expire(lease.id) is None
    assert opened.state(lease) is LeaseState.ACTIVE


def test_only_live_sessions_expire(opened: BrokerLab) -> None:
    assert opened.broker.sessions.expire("never was") is None
    lease = run(opened)
    end(opened, lease)
    assert opened.broker.sessions.expire(lease.id) is None
    assert opened.broker.sessions.get(lease.id) is None
    assert opened.broker.sessions.live() == []


def test_users_see_their_own_sessions(opened: BrokerLab) -> None:
    one = run(opened, "ada")
    opened.clock.advance(1)
    other = run(opened, "bob")
    assert [item.lease.id for item in opened.broker.sessions.live()] == [one.id, other.id]
    assert [item.lease.id for item in opened.broker.sessions.live("bob")] == [other.id]


# Extensions.


def test_a_session_is_extended_as_far_as_the_quota_allows(opened: BrokerLab) -> None:
    lease = run(opened)
    for hours in (8, 12):
        found = opened.broker.sessions.extend(lease.id, "ada")
        assert found.ends_at == lease.granted_at + hours * HOUR
    with pytest.raises(ExtensionError, match="12 hours at most"):
        opened.broker.sessions.extend(lease.id, "ada")
    kinds = [(entry.by, entry.what, entry.target) for entry in opened.broker.audit.page()[0]]
    assert kinds == [("ada", "lease.extend", lease.id)] * 2


def test_extensions_by_a_program_are_one_entry_an_hour(opened: BrokerLab) -> None:
    lease = run(opened)
    extend = opened.broker.sessions.extend

    def entries() -> list[tuple[float, float]]:
        return [(item.before, item.after) for item in opened.broker.audit.page()[0]]

    ends = [lease.expires_at]
    for _ in range(5):
        opened.clock.advance(600)
        ends.append(extend(lease.id, "ada", 0.1, by_program=True).ends_at)
    assert entries() == [(ends[0], ends[-1])]
    # What a person does has an entry of its own, and so has what follows an hour later.
    ends.append(extend(lease.id, "ada", 0.1).ends_at)
    assert entries() == [(ends[-2], ends[-1]), (ends[0], ends[-2])]
    opened.clock.advance(HOUR + 1)
    ends.append(extend(lease.id, "ada", 0.1, by_program=True).ends_at)
    assert entries()[0] == (ends[-2], ends[-1])
    assert len(entries()) == 3


@pytest.mark.parametrize("hours", [1e-6, 0.5 / 60])
def test_a_program_extends_by_a_minute_at_least(opened: BrokerLab, hours: float) -> None:
    lease = run(opened)
    with pytest.raises(ExtensionError, match="at least a minute"):
        opened.broker.sessions.extend(lease.id, "ada", hours, by_program=True)
    assert session(opened, lease).ends_at == lease.expires_at
    opened.broker.sessions.extend(lease.id, "ada", 1 / 60, by_program=True)


@pytest.mark.parametrize("by_program", [True, False], ids=["program", "person"])
def test_only_a_persons_extension_shows_that_a_gpu_is_wanted(
    opened: BrokerLab, by_program: bool
) -> None:
    opened.broker.quotas.set("default", "", {"idle_minutes": 60}, "admin")
    lease = run(opened)
    for _ in range(30):
        opened.clock.advance(60)
        read(opened, 0)
        opened.broker.tick()
    before = session(opened, lease)
    assert before.ends_because is EndCause.IDLE
    if by_program:
        with pytest.raises(ExtensionError, match="its GPU is not used"):
            opened.broker.sessions.extend(lease.id, "ada", by_program=True)
        assert session(opened, lease).idle_since == before.idle_since
    else:
        assert opened.broker.sessions.extend(lease.id, "ada").idle_since is None


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_an_extension_by_nonsense_is_refused(opened: BrokerLab, hours: float) -> None:
    lease = run(opened)
    with pytest.raises(ExtensionError, match="a number more than 0"):
        opened.broker.sessions.extend(lease.id, "ada", hours)
    assert session(opened, lease).ends_at == lease.expires_at


def test_what_is_over_cannot_be_extended(opened: BrokerLab) -> None:
    lease = run(opened)
    opened.broker.leases.stop(lease.id, "stopped by its user")
    with pytest.raises(ExtensionError, match="is over"):
        opened.broker.sessions.extend(lease.id, "ada")
    opened.broker.leases.end(lease.id, "gone")
    for lease_id in (lease.id, "never was"):
        with pytest.raises(ExtensionError, match="is over"):
            opened.broker.sessions.extend(lease_id, "ada")


def test_a_disk_that_is_full_leaves_the_session_as_it_was(opened: BrokerLab) -> None:
    lease = run(opened)
    opened.store.failures = 1
    with pytest.raises(StoreError):
        opened.broker.sessions.extend(lease.id, "ada")
    assert session(opened, lease).ends_at == lease.expires_at
    assert opened.broker.audit.page() == ([], 0)


def test_an_extension_made_at_the_desk_counts_in_the_hub(opened: BrokerLab) -> None:
    lease = run(opened)
    desk = opened.desk_broker()
    assert desk.sessions.extend(lease.id, "ada").ends_at == lease.granted_at + 8 * HOUR
    assert session(opened, lease).ends_at == lease.granted_at + 8 * HOUR


# Release.


def test_a_session_that_is_released_is_stopped_by_the_next_look(opened: BrokerLab) -> None:
    lease = opened.grant()
    seen = opened.activate(lease)
    desk = opened.desk_broker()
    assert desk.sessions.release(lease.id, "root", "released by root")
    assert opened.state(lease) is LeaseState.STOPPING
    (action,) = opened.look(seen)
    assert action.lease_id == lease.id
    opened.look()
    found = opened.broker.leases.get(lease.id)
    assert found is not None
    assert (found.state, found.end_reason) == (LeaseState.ENDED, "released by root")
    assert not desk.sessions.release(lease.id, "root", "once more")
    (entry,), total = desk.audit.page()
    assert (entry.by, entry.what, entry.target, total) == ("root", "lease.release", lease.id, 1)


# Hours.


def test_hours_that_are_used_up_refuse_and_come_back(opened: BrokerLab) -> None:
    opened.broker.quotas.set("user", "ada", {"gpu_hours": 2.0, "window_days": 1.0}, "root")
    lease = run(opened)
    found = session(opened, lease)
    assert found.ends_because is EndCause.HOURS
    assert found.ends_at == pytest.approx(lease.granted_at + 2 * HOUR)
    opened.clock.advance(2 * HOUR)
    end(opened, lease)
    quota = opened.broker.quotas.effective("ada", ())
    assert quota.used.gpu_hours == pytest.approx(2.0, abs=0.01)
    refused = opened.broker.requests.submit(ask())
    assert isinstance(refused, Denial)
    assert refused.reason == "hours"
    assert "There are hours again from 19" in refused.message
    # A quarter of an hour of the use has left the window by then.
    assert quota.used.hours_from == pytest.approx(lease.granted_at + 24.25 * HOUR, abs=5)
    opened.clock.advance(22.3 * HOUR)
    assert isinstance(opened.broker.requests.submit(ask()), Lease)


def test_whoever_waits_keeps_waiting_while_the_hours_are_used_up(opened: BrokerLab) -> None:
    opened.broker.quotas.set("user", "ada", {"gpu_hours": 2.0, "window_days": 1.0}, "root")
    lease = run(opened)
    run(opened, "bob")
    assert isinstance(opened.broker.requests.submit(ask("ada", "second")), QueuePosition)
    opened.clock.advance(2 * HOUR)
    end(opened, lease)
    place = opened.broker.requests.position("ada", "second")
    assert place is not None
    assert "You have used 2 of your 2 GPU-hours in 1 days." in place.reason
    assert isinstance(opened.broker.requests.submit(ask("cy")), Lease), (
        "nobody else waits for ada's hours"
    )


def test_lowering_hours_ends_nobody_and_grants_nothing(opened: BrokerLab) -> None:
    lease = run(opened)
    opened.clock.advance(HOUR)
    opened.broker.quotas.set("default", "", {"gpu_hours": 0.5}, "root")
    found = session(opened, lease)
    assert found.ends_because is EndCause.TIME
    assert isinstance(opened.broker.requests.submit(ask("ada", "second")), Denial)


def test_hours_are_counted_over_a_restart(opened: BrokerLab) -> None:
    opened.broker.quotas.set("default", "", {"gpu_hours": 100.0}, "root")
    lease = run(opened)
    opened.clock.advance(HOUR)
    end(opened, lease)
    opened.broker = opened.new_broker()
    assert opened.broker.quotas.effective("ada", ()).used.gpu_hours == pytest.approx(1.0)


def test_a_group_shares_its_cap(opened: BrokerLab) -> None:
    opened.broker.quotas.set("group", "class", {"group_max_gpus": 1}, "root")
    lease = run(opened, "ada", groups=("class",))
    waits = opened.broker.requests.submit(ask("bob", groups=("class",)))
    assert isinstance(waits, QueuePosition)
    assert waits.reason == (
        "The members of the group class use 1 of the 1 GPU that it may have at once."
    )
    run(opened, "cy")
    cap = opened.broker.quotas.effective("bob", ("class",)).caps[0]
    assert (cap.group, cap.used.gpus) == ("class", 1)
    end(opened, lease)
    assert opened.broker.leases.of_server("bob", "") is not None


def test_a_groups_hours_end_its_sessions(opened: BrokerLab) -> None:
    opened.broker.quotas.set("group", "class", {"group_gpu_hours": 3.0}, "root")
    first = run(opened, "ada", groups=("class",))
    opened.clock.advance(HOUR)
    second = run(opened, "bob", groups=("class",))
    for lease in (first, second):
        found = session(opened, lease)
        assert found.ends_because is EndCause.GROUP_HOURS
        assert found.ends_at == pytest.approx(opened.clock() + HOUR)


def test_a_boost_lends_and_takes_back_without_ending_anybody(opened: BrokerLab) -> None:
    opened.clock.now = 1_796_083_200.0 - HOUR  # an hour before the end of the boost
    boost = {"boost": {"until": "2026-12-01T00:00:00Z", "max_gpus": 2}, "max_gpus": 1}
    opened.broker.quotas.set("user", "ada", boost, "root")
    leases = [run(opened), run(opened, server="second")]
    opened.clock.advance(2 * HOUR)
    opened.broker.tick()
    assert opened.broker.quotas.effective("ada", ()).quota.max_gpus == 1
    assert [opened.state(lease) for lease in leases] == [LeaseState.ACTIVE] * 2
    end(opened, leases[0])
    assert isinstance(opened.broker.requests.submit(ask()), Denial)


def test_a_boost_that_ends_holds_a_waiting_request_back(opened: BrokerLab) -> None:
    opened.clock.now = 1_796_083_200.0 - HOUR
    boost = {"boost": {"until": "2026-12-01T00:00:00Z", "max_gpus": 2}, "max_gpus": 1}
    opened.broker.quotas.set("user", "ada", boost, "root")
    run(opened)
    held = run(opened, "bob")
    assert isinstance(opened.broker.requests.submit(ask("ada", "second")), QueuePosition)
    opened.clock.advance(2 * HOUR)
    end(opened, held)
    place = opened.broker.requests.position("ada", "second")
    assert place is not None
    assert "You use 1 of the 1 GPU that your quota allows" in place.reason


# Idle GPUs.


def test_a_gpu_that_is_not_used_is_taken_back_after_a_warning(opened: BrokerLab) -> None:
    opened.broker.quotas.set("default", "", {"idle_minutes": 30.0}, "root")
    read(opened, 0)
    lease = run(opened)
    opened.clock.advance(10)
    read(opened, 90)
    used_at = opened.clock()
    for minutes in range(1, 30):
        opened.clock.now = used_at + minutes * 60
        read(opened, 1)
        assert opened.broker.sessions.due() == []
    found = session(opened, lease)
    assert found.ends_because is EndCause.IDLE
    assert found.idle_since == used_at
    opened.clock.now = used_at + 1801
    read(opened, 1)
    (due,) = opened.broker.sessions.due()
    assert due.reason == "its GPU was not used for 30 minutes"


@pytest.mark.parametrize(
    "work",
    [
        lambda minute: (2, 100),  # it computes
        lambda minute: (0, 100 + 10 * minute),  # it loads data
        lambda minute: (None, None),  # nobody knows
    ],
)
def test_work_of_any_kind_keeps_a_gpu(opened: BrokerLab, work) -> None:
    opened.broker.quotas.set("default", "", {"idle_minutes": 5.0}, "root")
    lease = run(opened)
    for minute in range(60):
        opened.clock.advance(60)
        read(opened, *work(minute))
        assert opened.broker.sessions.due() == []
    assert session(opened, lease).idle_since is None


def test_a_dead_agent_makes_nobody_idle(opened: BrokerLab) -> None:
    opened.broker.quotas.set("default", "", {"idle_minutes": 5.0}, "root")
    run(opened)
    read(opened, 0)
    opened.inventory.current = replace(opened.inventory.current, problem="The agent is down.")
    for _ in range(60):
        opened.clock.advance(60)
        opened.broker.tick()
        assert opened.broker.sessions.due() == []


def test_a_restarted_hub_begins_to_count_anew(opened: BrokerLab) -> None:
    opened.broker.quotas.set("default", "", {"idle_minutes": 10.0}, "root")
    read(opened, 0)
    lease = opened.grant()
    seen = opened.activate(lease)
    opened.clock.advance(3 * HOUR)
    opened.broker = opened.new_broker()
    opened.look(seen)
    read(opened, 0)
    assert session(opened, lease).idle_since is None
    assert opened.broker.sessions.due() == []


def test_the_last_use_is_written_down_once_a_minute(opened: BrokerLab) -> None:
    lease = run(opened)
    generations = set()
    for _ in range(120):
        opened.clock.advance(1)
        read(opened, 50)
        with opened.store.snapshot() as transaction:
            generations.add(transaction.generation)
    assert len(generations) <= 4
    (found,) = opened.desk_broker().sessions.live()
    assert opened.clock() - (found.lease.active_at or 0) <= 60
    assert found.lease.id == lease.id


# Clocks that jump.


class Ticks:
    """A clock that cannot be set."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticking(opened: BrokerLab) -> tuple[BrokerLab, Ticks]:
    ticks = Ticks()
    opened.options["ticks"] = ticks
    opened.broker = opened.new_broker()
    opened.look()
    return opened, ticks


def pass_time(lab: BrokerLab, ticks: Ticks, seconds: float) -> None:
    lab.clock.advance(seconds)
    ticks.now += seconds
    lab.broker.tick()


def test_a_clock_set_back_makes_no_session_longer(ticking: tuple[BrokerLab, Ticks]) -> None:
    lab, ticks = ticking
    lease = run(lab)
    pass_time(lab, ticks, HOUR)
    lab.clock.advance(-24 * HOUR)
    assert lab.broker.sessions.due() == []
    pass_time(lab, ticks, 2.1 * HOUR)
    pass_time(lab, ticks, 0.8 * HOUR)
    assert lab.broker.sessions.due() == []
    pass_time(lab, ticks, 0.1 * HOUR)
    assert [item.lease.id for item in lab.broker.sessions.due()] == [lease.id]


def test_a_clock_set_back_before_a_restart_makes_no_session_endless(opened: BrokerLab) -> None:
    opened.clock.advance(3650 * 24 * HOUR)  # ten years ahead
    lease = opened.grant()
    seen = opened.activate(lease)
    opened.clock.advance(-3650 * 24 * HOUR)
    opened.broker = opened.new_broker()
    opened.look(seen)
    found = session(opened, lease)
    assert found.ends_at is not None
    assert found.ends_at <= opened.clock() + 4 * HOUR


def test_a_clock_set_forward_ends_nobody_before_their_time(
    ticking: tuple[BrokerLab, Ticks],
) -> None:
    lab, ticks = ticking
    lease = run(lab)
    pass_time(lab, ticks, 3.5 * HOUR)  # warned already
    lab.clock.advance(24 * HOUR)
    assert lab.broker.sessions.due() == []
    assert lab.broker.sessions.expire(lease.id) is None
    lab.broker.tick()
    assert lab.broker.sessions.due() == []
    pass_time(lab, ticks, 1790)
    assert lab.broker.sessions.due() == []
    pass_time(lab, ticks, 20)
    assert [item.lease.id for item in lab.broker.sessions.due()] == [lease.id]


def test_readings_dated_by_a_clock_that_was_set_back_are_still_believed(
    ticking: tuple[BrokerLab, Ticks],
) -> None:
    lab, ticks = ticking
    pass_time(lab, ticks, HOUR)
    lab.clock.advance(-HOUR)
    lab.inventory.current = InventoryReading(lab.clock(), tuple(map(GPUReading, LAB)))
    pass_time(lab, ticks, 1)
    assert isinstance(lab.broker.requests.submit(ask(when_busy=WhenBusy.FAIL)), Lease)


def test_another_hub_process_of_the_same_lab_sees_the_same(opened: BrokerLab) -> None:
    lease = run(opened)
    opened.clock.advance(3.5 * HOUR)
    opened.broker.tick()
    desk = DeskBroker(opened.store, opened.inventory, clock=opened.clock)
    ours, theirs = session(opened, lease), desk.sessions.get(lease.id)
    assert theirs is not None
    assert (ours.ends_at, ours.warning_at) == (theirs.ends_at, theirs.warning_at)
