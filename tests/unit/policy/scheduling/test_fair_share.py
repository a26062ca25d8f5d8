"""Fair share: whose turn it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doubles.inventory import gpu
from gpudock.model import GPUState, Lease, Quota, Request, Share
from gpudock.policy.gpu_health import DeviceHealth
from gpudock.policy.quota.resolve import resolve
from gpudock.policy.scheduling.decide import decide
from gpudock.policy.scheduling.fair_share import FairShare, decayed_use, nominal_seconds, recent_use
from gpudock.policy.scheduling.snapshot import Snapshot, Waiting

if TYPE_CHECKING:
    import random

    from gpudock.policy.scheduling.decide import Grant

NOW = 1_000_000.0
HOUR = 3600.0
DAY = 86400.0


def wait(
    number: int,
    user: str,
    gpus: int = 1,
    *,
    since: float = 0.0,
    weight: float = 1.0,
    share: Share = Share.EXCLUSIVE,
    is_next: bool = False,
    **quota: float | None,
) -> Waiting:
    """Make a request that joined *since* seconds before now."""
    request = Request(f"r{number}", user, f"s{number}", gpus, NOW - since, "image", share=share)
    terms = {"max_gpus": None, "session_hours": None, "max_session_hours": 1.0, **quota}
    return Waiting(number, request, resolve(Quota(weight=weight, **terms)), is_next)


def order(*items: Waiting, now: float = NOW, **rest: object) -> list[str]:
    snapshot = Snapshot(now, rest.pop("devices", ()), rest.pop("leases", ()), items, **rest)
    return [item.request.id for item in FairShare().order(snapshot)]


def test_who_has_had_less_comes_first() -> None:
    use = {"ada": 10 * HOUR, "bob": 2 * HOUR}
    assert order(wait(0, "ada"), wait(1, "bob"), wait(2, "cy"), recent_use=use) == [
        "r2",
        "r1",
        "r0",
    ]


def test_a_larger_weight_makes_the_same_use_count_less() -> None:
    use = {"ada": 10 * HOUR, "bob": 8 * HOUR}
    assert order(wait(0, "ada", weight=2), wait(1, "bob"), recent_use=use) == ["r0", "r1"]
    assert order(wait(0, "ada", weight=1.2), wait(1, "bob"), recent_use=use) == ["r1", "r0"]


def test_requests_of_several_users_are_interleaved() -> None:
    items = [wait(n, "ada") for n in range(3)] + [wait(3 + n, "bob") for n in range(3)]
    assert order(*items) == ["r0", "r3", "r1", "r4", "r2", "r5"]


def test_a_large_request_counts_for_as_many_devices() -> None:
    items = [wait(0, "ada", 2), wait(1, "ada"), wait(2, "bob"), wait(3, "bob"), wait(4, "bob")]
    assert order(*items) == ["r0", "r2", "r3", "r1", "r4"]


def test_a_server_without_a_gpu_counts_nothing() -> None:
    items = [wait(0, "ada", 0), wait(1, "ada"), wait(2, "bob")]
    assert order(*items) == ["r0", "r1", "r2"]


def test_a_slot_counts_as_its_part_of_a_gpu() -> None:
    lab = (DeviceHealth(gpu(0), GPUState.FREE, None, True, True, slots=4),)
    items = [wait(n, "ada", share=Share.SHARED) for n in range(3)] + [
        wait(3, "bob"),
        wait(4, "bob"),
    ]
    # Three slots of ada's are less than one GPU of bob's.
    assert order(*items, devices=lab) == ["r0", "r3", "r1", "r2", "r4"]


def test_of_those_who_ask_at_about_the_same_time_use_decides() -> None:
    items = [wait(0, "ada", since=10 * 60), wait(1, "bob")]
    assert order(*items, recent_use={"ada": 100 * HOUR}) == ["r1", "r0"]
    assert order(*items, recent_use={"bob": 100 * HOUR}) == ["r0", "r1"]
    assert order(*items) == ["r0", "r1"]


def test_who_has_had_more_than_the_fair_part_comes_after_all_others_for_a_week() -> None:
    use = {"ada": 100 * HOUR, "bob": 90 * HOUR, "cy": 0.0}
    newcomer = wait(2, "cy")
    for since, found in ((6.9 * DAY, ["r2", "r0"]), (7.1 * DAY, ["r0", "r2"])):
        assert order(wait(0, "ada", since=since), newcomer, recent_use=use) == found
    # Then it is the turn of one request, not of all that have waited for so long.
    two = [wait(0, "ada", since=8 * DAY), wait(1, "ada", since=8 * DAY)]
    assert order(*two, newcomer, recent_use=use) == ["r0", "r2", "r1"]
    # Half a session more than the mean makes no difference.
    near = [wait(0, "ada", since=3 * HOUR), wait(1, "bob", since=0.5 * HOUR)]
    for more, found in ((0.9, ["r0", "r1"]), (1.1, ["r1", "r0"])):
        assert order(*near, recent_use={"ada": (50 + more) * HOUR, "bob": 50 * HOUR}) == found
    # With three times the weight the fair part is three times as large.
    heavy = wait(0, "ada", since=3 * HOUR, weight=3)
    use = {"ada": 150 * HOUR, "bob": 50 * HOUR}
    assert order(heavy, wait(1, "bob", since=0.5 * HOUR), recent_use=use) == ["r0", "r1"]


def test_who_is_next_does_not_fall_back_behind_those_who_have_had_less() -> None:
    use = {"ada": 100 * HOUR, "bob": 90 * HOUR, "cy": 0.0}
    ada, newcomer = wait(0, "ada", 8, since=9 * HOUR), wait(2, "cy")
    assert order(ada, newcomer, recent_use=use) == ["r2", "r0"]
    assert order(replace(ada, is_next=True), newcomer, recent_use=use) == ["r0", "r2"]
    # Requests of one user keep their order.
    second = wait(3, "ada", is_next=True)
    assert order(ada, newcomer, second, recent_use=use) == ["r2", "r0", "r3"]


def test_others_come_before_who_is_next_for_a_day_at_most() -> None:
    items = (wait(0, "ada"), wait(1, "bob"))
    for is_next, days in ((False, 7), (True, 1)):
        waiting = (replace(items[0], is_next=is_next), items[1])
        snapshot = Snapshot(NOW, (), (), waiting, recent_use={"ada": 100 * HOUR})
        assert FairShare().delays(snapshot)["r0"] == days * DAY + HOUR


def test_nothing_is_subtracted_after_a_day() -> None:
    long = {"max_session_hours": 24.0}
    for since, found in ((23.9, ["r1", "r0"]), (24.1, ["r0", "r1"])):
        mine = wait(0, "ada", since=since * HOUR, **long)
        assert order(mine, wait(1, "bob", since=20 * HOUR, max_session_hours=0.5)) == found


def test_time_that_does_not_count_moves_nobody_forward() -> None:
    items = [wait(0, "ada", since=9 * HOUR), wait(1, "bob", since=2 * HOUR)]
    assert order(*items) == ["r0", "r1"]
    assert order(*items, counted_since={"r0": NOW - HOUR}) == ["r1", "r0"]


def test_who_has_had_as_much_as_the_others_is_passed_by_nobody_who_comes_later() -> None:
    """Differences of less than a session do not turn the order about."""
    items = [wait(0, "ada", since=HOUR), wait(1, "bob", since=0.5 * HOUR)]
    for use in ({"ada": HOUR}, {"ada": 51 * HOUR, "bob": 50 * HOUR}):
        assert order(*items, recent_use=use) == ["r0", "r1"]


def test_only_what_is_usual_counts_not_how_much_a_lab_is_used() -> None:
    """Ten times the use of everybody leaves the order as it is."""
    items = [wait(n, f"u{n}", since=(9 - n) * HOUR) for n in range(9)]
    use = {f"u{n}": (300 + 100 * (n * 4 % 9)) * HOUR for n in range(9)}
    found = order(*items, recent_use=use)
    assert found != [item.request.id for item in items]
    assert found == order(*items, recent_use={user: 10 * s for user, s in use.items()})


def test_short_sessions_come_before_long_ones_for_three_quarters_of_the_difference() -> None:
    short = wait(1, "bob", max_session_hours=4.0)
    for since, found in ((5.9, ["r1", "r0"]), (6.1, ["r0", "r1"])):
        assert order(wait(0, "ada", since=since * HOUR, max_session_hours=12.0), short) == found
    # What is longer than a day counts like a day.
    for since, found in ((14.9, ["r1", "r0"]), (15.1, ["r0", "r1"])):
        assert order(wait(0, "ada", since=since * HOUR, max_session_hours=168.0), short) == found


def test_a_large_request_is_not_put_off_for_its_size() -> None:
    assert order(wait(0, "ada", 8, since=60), wait(1, "bob", 1)) == ["r0", "r1"]


def test_a_grant_does_not_change_the_order_of_the_others() -> None:
    """A session that has just begun counts as much as it did while it was a request."""
    first, *others = [wait(0, "ada"), wait(1, "ada"), wait(2, "bob"), wait(3, "bob")]
    lease = Lease("l", "ada", "s0", "i", ("GPU-0",), NOW, expires_at=NOW + HOUR)
    assert order(first, *others)[1:] == order(*others, leases=(lease,)) == ["r2", "r1", "r3"]


def test_sessions_without_an_end_are_reckoned_with_too() -> None:
    lease = Lease("l", "ada", "s0", "i", ("GPU-0",), NOW)
    assert order(wait(0, "ada"), wait(1, "bob"), leases=(lease,)) == ["r1", "r0"]
    old = replace(lease, granted_at=NOW - 30 * DAY)
    assert order(wait(0, "ada"), wait(1, "bob"), leases=(old,)) == ["r0", "r1"]


def test_a_clock_that_was_set_back_reverses_nobodys_own_requests() -> None:
    items = [wait(0, "ada", since=-5 * HOUR), wait(1, "ada", since=9 * HOUR), wait(2, "bob")]
    found = order(*items)
    assert found.index("r0") < found.index("r1")


def test_how_long_a_session_is_reckoned_to_last() -> None:
    assert nominal_seconds(Quota(session_hours=2.0, max_session_hours=12.0)) == 2 * HOUR
    assert nominal_seconds(Quota(session_hours=20.0, max_session_hours=12.0)) == 12 * HOUR
    assert nominal_seconds(Quota(session_hours=None, max_session_hours=None)) == 4 * HOUR


def test_use_counts_half_after_a_half_life() -> None:
    fresh = decayed_use(2, NOW - HOUR, NOW, NOW, 7)
    assert fresh == pytest.approx(2 * HOUR, rel=0.01)
    assert decayed_use(2, NOW - HOUR - 7 * DAY, NOW - 7 * DAY, NOW, 7) == pytest.approx(fresh / 2)
    assert decayed_use(1, NOW, NOW + HOUR, NOW) == 0
    # Endless use is no more than what remains of it.
    assert decayed_use(1, NOW - 10_000 * DAY, NOW, NOW, 7) == pytest.approx(
        7 * DAY / 0.6931, rel=0.001
    )


def test_recent_use_adds_up_ended_and_running_sessions() -> None:
    running = Lease("a", "ada", "", "i", ("GPU-0",), NOW - HOUR)
    ended = replace(running, id="b", granted_at=NOW - 3 * HOUR, ended_at=NOW - 2 * HOUR)
    slot = replace(running, id="c", user="bob", slots=4)
    idle = replace(running, id="d", user="cy", gpu_uuids=())
    use = recent_use([running, ended, slot, idle], NOW)
    assert use["ada"] == pytest.approx(2 * HOUR, rel=0.02)
    assert use["bob"] == pytest.approx(HOUR / 4, rel=0.02)
    assert "cy" not in use


@pytest.mark.parametrize(
    "terms", [{"half_life_days": 0}, {"max_usage_hours": -1}, {"max_length_hours": float("nan")}]
)
def test_terms_that_make_no_sense_are_refused(terms: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"number"):
        FairShare(**terms)


# Properties.

waits = st.floats(0, 1e6)
queues = st.lists(
    st.tuples(
        st.integers(0, 5),  # user
        st.integers(0, 8),  # GPUs
        waits,
        st.sampled_from([0.5, 1.0, 3.0]),
        st.sampled_from([None, 1.0, 12.0]),
    ),
    max_size=20,
)
uses = st.dictionaries(st.sampled_from([f"u{n}" for n in range(6)]), st.floats(0, 1e7))


def queue_of(people: list, first: int = 0) -> list[Waiting]:
    weights: dict[int, float] = {}
    return [
        wait(
            first + number,
            f"u{user}",
            gpus,
            since=since,
            weight=weights.setdefault(user, weight),
            max_session_hours=hours,
        )
        for number, (user, gpus, since, weight, hours) in enumerate(people)
    ]


@given(queues, uses, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_how_the_queue_is_listed(
    people: list, use: dict[str, float], chance: random.Random
) -> None:
    items = queue_of(people)
    shuffled = list(items)
    chance.shuffle(shuffled)
    found = order(*items, recent_use=use)
    assert found == order(*shuffled, recent_use=use)
    assert sorted(found) == sorted(item.request.id for item in items)


@given(
    queues,
    uses,
    st.one_of(st.just(0.0), st.floats(0, 1e12)),
    st.floats(0, 1e7),
    st.integers(1, 30),
    st.floats(0.001, 1000),
    st.floats(0.001, 1000),
    st.sampled_from([None, 0.5, 12.0, 1000.0]),
)
def test_nobody_starves(
    people: list,
    use: dict[str, float],
    charge: float,
    waited: float,
    newcomers: int,
    my_weight: float,
    weight: float,
    hours: float | None,
) -> None:
    """Requests that join more than a day after another one come after it, even if their users have
    used nothing, want short sessions and have any weight; a week, if its user has had more than the
    fair part. So only requests that were there before it, or joined within that time, can be served
    first.
    """
    items = queue_of(people)
    older = waited + (7 * DAY if charge else DAY) + 1
    mine = wait(100, "me", since=older, weight=my_weight, max_session_hours=hours)
    others = [
        wait(200 + number, f"new{number}", since=waited, weight=weight, max_session_hours=0.1)
        for number in range(newcomers)
    ]
    found = order(*items, mine, *others, recent_use={**use, "me": charge})
    assert all(found.index("r100") < found.index(item.request.id) for item in others)


@settings(max_examples=50)
@given(st.integers(1, 6), st.integers(0, 3))
def test_a_stream_of_small_requests_never_keeps_a_large_one_out(size: int, smalls: int) -> None:
    """A lab of *size* GPUs, always full, small requests of new users at each hour: the one that
    wants the whole lab starts within the longest session of those that were there before it."""
    lab = tuple(DeviceHealth(gpu(n), GPUState.FREE, None, True, True) for n in range(size))
    waiting: list[Waiting] = []
    leases: list[Lease] = []
    before = 0
    for hour in range(100):
        now = NOW + hour * HOUR
        leases = [lease for lease in leases if lease.latest_end > now]
        joining = [
            wait(1000 * hour + n, f"new{hour}.{n}", max_session_hours=3.0)
            for n in range(smalls + size)
        ]
        if hour == 2:
            before = len(waiting) + len(leases)
            joining.insert(0, wait(999, "large", size, max_session_hours=3.0))
        waiting += [replace(i, request=replace(i.request, created_at=now)) for i in joining]
        decision = decide(Snapshot(now, lab, tuple(leases), tuple(waiting)), FairShare())
        leases += [session(grant, now) for grant in decision.grants]
        granted = {grant.request.id for grant in decision.grants}
        waiting = [item for item in waiting if item.request.id not in granted]
        if "r999" in granted:
            break
    # Only those who were there before it can be served first: so many rounds of three hours.
    assert hour <= 2 + 3 * (1 + before / size)


def session(grant: Grant, now: float) -> Lease:
    return Lease(
        grant.request.id,
        grant.request.user,
        grant.request.server,
        "i",
        grant.gpu_uuids,
        now,
        expires_at=grant.expires_at,
        latest_end=grant.latest_end,
    )


@pytest.mark.simulation
def test_a_weight_of_two_gets_twice_the_time_of_a_busy_lab() -> None:
    """Two users who always want more: what each gets, over sixty days, is as their weights."""
    lab = tuple(DeviceHealth(gpu(n), GPUState.FREE, None, True, True) for n in range(3))
    got = {"ada": 0.0, "bob": 0.0}
    leases: list[Lease] = []
    history: list[Lease] = []
    for hour in range(24 * 60):
        now = NOW + hour * HOUR
        for lease in leases:
            if lease.latest_end is not None and lease.latest_end <= now:
                got[lease.user] += HOUR
                history.append(replace(lease, ended_at=now))
        leases = [lease for lease in leases if lease.latest_end > now]
        history = [lease for lease in history if lease.granted_at > now - 60 * DAY]
        waiting = tuple(
            replace(item, request=replace(item.request, created_at=now))
            for number in range(3)
            for item in (
                wait(10 * hour + number, "ada", weight=2.0),
                wait(10 * hour + 5 + number, "bob", weight=1.0),
            )
        )
        snapshot = Snapshot(now, lab, tuple(leases), waiting, recent_use=recent_use(history, now))
        leases += [session(grant, now) for grant in decide(snapshot, FairShare()).grants]
    assert got["ada"] / got["bob"] == pytest.approx(2.0, rel=0.05)


def test_weight_counts_also_among_requests_that_wait_for_hours() -> None:
    """Two users who always have four requests waiting or running, on three GPUs."""
    lab = tuple(DeviceHealth(gpu(n), GPUState.FREE, None, True, True) for n in range(3))
    weights = {"ada": 2.0, "bob": 1.0}
    got = dict.fromkeys(weights, 0)
    leases: list[Lease] = []
    history: list[Lease] = []
    waiting: list[Waiting] = []
    joining = [user for user in weights for _ in range(4)]
    number = 0
    for hour in range(24 * 40):
        now = NOW + hour * HOUR
        over = [lease for lease in leases if lease.latest_end <= now]
        history = [*history, *(replace(lease, ended_at=now) for lease in over)][-300:]
        leases = [lease for lease in leases if lease.latest_end > now]
        joining += [lease.user for lease in over]
        for user in joining:
            number += 1
            item = wait(number, user, weight=weights[user], max_session_hours=4.0)
            waiting.append(replace(item, request=replace(item.request, created_at=now)))
        joining = []
        use = recent_use([*leases, *history], now)
        snapshot = Snapshot(now, lab, tuple(leases), tuple(waiting), recent_use=use)
        for grant in decide(snapshot, FairShare()).grants:
            # The first sessions last one, two and three hours, so that they do not all end at once.
            lease = session(grant, now)
            early = 3.0 - len(leases) if hour == 0 else 0.0
            leases.append(replace(lease, latest_end=lease.latest_end - early * HOUR))
            waiting = [item for item in waiting if item.request.id != grant.request.id]
            got[grant.request.user] += hour > 24 * 14
    assert got["ada"] / got["bob"] > 1.25
