"""The books: sums that are exact to the second, over days, weeks, months and sessions that run."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING

import pytest

from doubles.inventory import gpu, uuid
from gpudock.broker.usage_cache import UsageCache
from gpudock.model import Lease, LeaseState
from gpudock.policy.scheduling.fair_share import recent_use

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.broker import UsageRow
    from state_machine.lab import BrokerLab

pytestmark = pytest.mark.integration

HOUR, DAY = 3600.0, 86400.0
BEGIN = dt.datetime(2026, 1, 30, 7, 13, tzinfo=dt.UTC).timestamp()


def moment(*parts: int) -> float:
    return dt.datetime(*parts, tzinfo=dt.UTC).timestamp()


@pytest.fixture
def ledger(lab: BrokerLab) -> tuple[BrokerLab, list[Lease]]:
    """A lab with 300 leases over four months, some of which still run."""
    chance = random.Random(7)
    lab.clock.now = BEGIN + 120 * DAY
    leases = []
    with lab.store.transaction() as transaction:
        for number in range(4):
            transaction.gpus.save(gpu(number), BEGIN)
        for number in range(300):
            start = BEGIN + chance.random() * 119 * DAY
            length = chance.choice([0.0, 1.0, HOUR, 7.7 * HOUR, 31 * HOUR, 9 * DAY])
            ended = start + length < lab.clock.now - HOUR
            slots = chance.choice([1, 1, 4])
            uuids = () if number % 50 == 0 else (uuid(number % 4),)
            if slots == 1 and number % 3 == 0 and uuids:
                uuids = tuple(sorted({*uuids, uuid((number + 1) % 4)}))
            leases.append(
                Lease(
                    f"l{number}",
                    f"user{number % 5}",
                    f"server{number}",
                    "image",
                    uuids,
                    start,
                    state=LeaseState.ENDED if ended else LeaseState.ACTIVE,
                    ended_at=start + length if ended else None,
                    groups=tuple(chance.sample(["a", "b", "c"], number % 3)),
                    slot=number % slots,
                    slots=slots,
                )
            )
        # The index that keeps live leases apart is not the matter here.
        held: set[tuple[str, int]] = set()
        kept = []
        for lease in leases:
            places = {(name, lease.slot) for name in lease.gpu_uuids}
            if lease.state is LeaseState.ENDED or not places & held:
                transaction.leases.add(lease)
                kept.append(lease)
                if lease.state is not LeaseState.ENDED:
                    held |= places
    assert any(lease.state is LeaseState.ACTIVE for lease in kept)
    return lab, kept


def names(lease: Lease, by: str) -> Iterable[tuple[str, float]]:
    """Return for whom a lease counts, and with how many GPUs."""
    if by == "user":
        return [(lease.user, lease.gpu_share)]
    if by == "group":
        return [(group, lease.gpu_share) for group in lease.groups]
    return [(name, 1 / lease.slots) for name in lease.gpu_uuids]


def reference(
    leases: list[Lease], now: float, start: float, end: float, by: str
) -> dict[str, tuple[float, int]]:
    sums: dict[str, list[float]] = {}
    for lease in leases:
        if not lease.gpu_uuids:
            continue
        until = now if lease.ended_at is None else lease.ended_at
        seconds = max(0.0, min(until, end) - max(lease.granted_at, start))
        began = start <= lease.granted_at < end
        if seconds or began:
            for name, share in names(lease, by):
                entry = sums.setdefault(name, [0.0, 0])
                entry[0] += seconds * share / HOUR
                entry[1] += began
    return {name: (hours, int(count)) for name, (hours, count) in sums.items()}


def table(rows: list[UsageRow], start: float) -> dict[str, tuple[float, int]]:
    return {r.name: (r.gpu_hours, r.leases) for r in rows if r.bucket_start == start}


SPANS = [
    (BEGIN, BEGIN + 120 * DAY),
    (0.0, 4e9),
    (moment(2026, 3, 1), moment(2026, 4, 1)),
    (moment(2026, 3, 1, 5, 17, 3), moment(2026, 3, 1, 18)),
    (moment(2026, 3, 1, 5, 17, 3), moment(2026, 3, 2, 0, 0, 1)),
    (moment(2026, 3, 3, 23, 59), moment(2026, 3, 19, 1, 30)),
]


@pytest.mark.parametrize("by", ["user", "group", "gpu"])
@pytest.mark.parametrize(("since", "until"), SPANS)
def test_sums_are_those_of_all_leases_one_by_one(ledger, by: str, since: float, until: float):
    lab, leases = ledger
    rows = lab.broker.usage.report(since, until, by)
    now = lab.clock()
    expected = reference(leases, now, since, min(until, now), by)
    found = table(rows, since)
    assert found.keys() == expected.keys()
    for name, (hours, count) in expected.items():
        assert found[name] == (pytest.approx(hours, abs=1e-6), count)


@pytest.mark.parametrize("bucket", ["day", "week", "month"])
def test_pieces_begin_with_days_mondays_and_months_and_add_up(ledger, bucket: str):
    lab, leases = ledger
    since, until = moment(2026, 2, 4, 12), moment(2026, 4, 20, 3)
    rows = lab.broker.usage.report(since, until, "user", bucket)
    starts = sorted({row.bucket_start for row in rows})
    assert starts[0] == since
    for start in starts[1:]:
        begin = dt.datetime.fromtimestamp(start, dt.UTC)
        assert (begin.hour, begin.minute, begin.second) == (0, 0, 0)
        assert bucket != "week" or begin.weekday() == 0
        assert bucket != "month" or begin.day == 1
    for start, end in zip(starts, [*starts[1:], until], strict=True):
        expected = reference(leases, lab.clock(), start, end, "user")
        found = table(rows, start)
        for name, (hours, count) in expected.items():
            if bucket != "day" or start + DAY == end:
                assert found[name] == (pytest.approx(hours, abs=1e-6), count)
    assert {
        row.name for row in lab.broker.usage.report(since, until, "user", bucket, ["user1"])
    } == {"user1"}


def test_time_that_is_no_time_has_no_use(ledger):
    lab, _ = ledger
    assert lab.broker.usage.report(BEGIN + DAY, BEGIN, "user") == []
    assert lab.broker.usage.report(float("-inf"), -1.0, "user", "day") == []
    assert lab.broker.usage.report(lab.clock() + DAY, float("inf"), "user") == []


def test_the_history_of_a_lab_is_read_leaf_by_leaf_as_it_is_read_at_once(ledger):
    """What ended since is added to what is known, and comes to the same."""
    lab, leases = ledger
    now, since = lab.clock(), BEGIN + 60 * DAY
    growing, running = UsageCache(), [lease for lease in leases if lease.state is LeaseState.ACTIVE]
    with lab.store.snapshot() as transaction:
        growing.refresh(transaction, now, since)
    for lease in running:
        lab.clock.advance(10)
        with lab.store.transaction() as transaction:
            transaction.leases.end(lease, "gone", lab.clock())
        with lab.store.snapshot() as transaction:
            growing.refresh(transaction, lab.clock(), since)
            fresh = UsageCache()
            fresh.refresh(transaction, lab.clock(), since)
        for one, other in ((growing.users, fresh.users), (growing.groups, fresh.groups)):
            assert one.keys() == other.keys()
            for name in one:
                assert sorted(one[name]) == sorted(other[name])
        late = growing.recent_use(lab.clock())
        for user, seconds in fresh.recent_use(lab.clock()).items():
            assert late[user] == pytest.approx(seconds, rel=0.02)


def test_recent_use_is_that_of_all_leases(ledger):
    """To within what it means that the books know days, not hours."""
    lab, leases = ledger
    ended = [lease for lease in leases if lease.state is LeaseState.ENDED and lease.gpu_uuids]
    cache = UsageCache()
    with lab.store.snapshot() as transaction:
        cache.refresh(transaction, lab.clock(), float("inf"))
    expected = recent_use(ended, lab.clock())
    found = cache.recent_use(lab.clock())
    assert found.keys() == expected.keys()
    for user, seconds in expected.items():
        assert found[user] == pytest.approx(seconds, rel=0.05)


def test_hours_of_a_very_long_window_reach_back_by_whole_days(ledger):
    lab, leases = ledger
    for window in (119.5, None):
        lab.broker.quotas.set("default", "", {"gpu_hours": 1e6, "window_days": window}, "root")
        since = 0.0 if window is None else lab.clock() - window * DAY
        expected = reference(leases, lab.clock(), since, lab.clock(), "user")
        for user, (hours, _) in expected.items():
            used = lab.broker.quotas.effective(user, ()).used.gpu_hours
            # The day with which the window begins is spread evenly.
            assert used == pytest.approx(hours, abs=24.0 if window else 1e-6)


def test_what_a_transaction_that_failed_had_read_is_forgotten(opened: BrokerLab):
    opened.broker.quotas.set("default", "", {"gpu_hours": 100.0}, "root")
    lease = opened.grant()
    opened.clock.advance(HOUR)
    opened.store.failures = 1
    with pytest.raises(Exception, match="full"):
        opened.broker.leases.end(lease.id, "gone")
    opened.clock.advance(HOUR)
    opened.broker.leases.end(lease.id, "gone")
    assert opened.broker.quotas.effective("ada", ()).used.gpu_hours == pytest.approx(2.0)


def test_ended_leases_are_shown_page_by_page_the_latest_first(ledger):
    lab, leases = ledger
    ended = sorted(
        (lease for lease in leases if lease.ended_at is not None),
        key=lambda lease: -(lease.ended_at or 0),
    )
    page, total = lab.broker.leases.history(None, 5, 10)
    assert total == len(ended)
    assert [lease.id for lease in page] == [lease.id for lease in ended[5:15]]
    own, count = lab.broker.leases.history(["user3"], 0, 1000)
    assert count == len(own)
    assert {lease.user for lease in own} == {"user3"}
