"""When sessions end, how their users are warned, and how far they can be extended."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gpudock.model import GroupHours, Lease, LeaseState, Quota
from gpudock.policy.quota.gpu_hours import HOUR, Span
from gpudock.policy.quota.resolve import Cap, EffectiveQuota
from gpudock.policy.sessions import Accounts, EndCause, Session, extend, session, with_hour_limits

GRANTED = 1_000_000.0


def lease(**options: object) -> Lease:
    values = {
        "id": "l",
        "user": "ada",
        "server": "",
        "image": "image",
        "gpu_uuids": ("GPU-1",),
        "granted_at": GRANTED,
        "state": LeaseState.ACTIVE,
        **options,
    }
    return Lease(**values)


def limits(*caps: Cap, **quota: object) -> EffectiveQuota:
    return EffectiveQuota(Quota(**{"max_session_hours": None, **quota}), {}, caps=caps)


def accounts(now: float, *spans: Span, **groups: list[Span]) -> Accounts:
    return Accounts(now, {"ada": list(spans)}, groups)


def running(since: float = GRANTED, share: float = 1.0) -> Span:
    return Span(since, math.inf, share)


def seen(item: Lease, effective: EffectiveQuota, hours: float, *spans: Span, **groups) -> Session:
    """Look at a session some hours after its grant."""
    return session(item, effective, accounts(GRANTED + hours * HOUR, *spans, **groups))


# Why and when.


def test_a_session_without_limits_has_no_end() -> None:
    found = seen(lease(), limits(), 100, running())
    assert (found.ends_at, found.ends_because, found.can_extend) == (None, None, False)
    assert found.why == "The session has no end."


def test_a_session_ends_when_its_time_is_up_and_warns_an_hour_before() -> None:
    found = seen(lease(expires_at=GRANTED + 12 * HOUR), limits(max_session_hours=12.0), 1)
    assert found.ends_at == GRANTED + 12 * HOUR
    assert found.ends_because is EndCause.TIME
    assert found.warning_at == GRANTED + 11 * HOUR
    assert found.why == "The session ends at its time limit."
    assert found.reason == "its time was up"


@pytest.mark.parametrize(
    ("minutes", "step"), [(61, None), (60, 3600), (16, 3600), (15, 900), (5, 300), (-1, 300)]
)
def test_the_warning_grows_more_urgent(minutes: float, step: float | None) -> None:
    found = Session(lease(), GRANTED + minutes * 60, EndCause.TIME, "")
    assert found.warning(GRANTED) == step


def test_a_session_ends_when_the_hours_run_out() -> None:
    quota = limits(gpu_hours=10.0)
    item = lease(gpu_hours_limit=10.0, gpu_hours_window=30.0)
    past = Span(GRANTED - 5 * HOUR, GRANTED, 1.0)
    found = seen(item, quota, 1, past, running())
    assert found.ends_at == pytest.approx(GRANTED + 5 * HOUR)
    assert found.ends_because is EndCause.HOURS


def test_another_session_of_the_same_user_burns_the_same_hours() -> None:
    quota = limits(gpu_hours=10.0)
    item = lease(gpu_hours_limit=10.0, gpu_hours_window=30.0)
    found = seen(item, quota, 1, running(), running(GRANTED + HOUR, 2.0))
    assert found.ends_at == pytest.approx(GRANTED + (1 + 9 / 3) * HOUR)


def test_old_use_that_leaves_the_window_gives_hours_back() -> None:
    quota = limits(gpu_hours=10.0, window_days=1.0)
    item = lease(gpu_hours_limit=10.0, gpu_hours_window=1.0)
    # Five hours of use that leave the window one for one while the session runs.
    past = Span(GRANTED - 24 * HOUR, GRANTED - 19 * HOUR, 1.0)
    found = seen(item, quota, 0, past, running())
    assert found.ends_at == pytest.approx(GRANTED + 10 * HOUR)


def test_a_server_without_a_gpu_uses_no_hours_and_is_never_idle() -> None:
    quota = limits(gpu_hours=0.0, idle_minutes=1.0)
    assert seen(lease(gpu_uuids=(), active_at=GRANTED), quota, 5).ends_at is None


def test_hours_that_were_lowered_since_do_not_end_a_session() -> None:
    item = lease(gpu_hours_limit=10.0, gpu_hours_window=30.0)
    for lowered in (limits(gpu_hours=0.0), limits(gpu_hours=10.0, window_days=365.0)):
        past = Span(GRANTED - 40 * 24 * HOUR, GRANTED - 39 * 24 * HOUR, 1.0)
        found = seen(item, lowered, 1, past, running())
        assert found.ends_at == pytest.approx(GRANTED + 10 * HOUR)
    assert seen(lease(), limits(gpu_hours=0.0), 1, running()).ends_at is None


def test_hours_that_were_raised_since_count() -> None:
    item = lease(gpu_hours_limit=10.0, gpu_hours_window=30.0)
    found = seen(item, limits(gpu_hours=20.0), 1, running())
    assert found.ends_at == pytest.approx(GRANTED + 20 * HOUR)


def test_a_session_ends_when_a_groups_hours_run_out() -> None:
    cap = Cap("class", gpu_hours=10.0)
    item = lease(groups=("class",), group_hours=(GroupHours("class", 10.0, 30.0),))
    members = [running(), running(), Span(GRANTED - 3 * HOUR, GRANTED, 2.0)]
    found = seen(item, limits(cap), 0, running(), **{"class": members})
    assert found.ends_at == pytest.approx(GRANTED + 2 * HOUR)
    assert found.ends_because is EndCause.GROUP_HOURS
    assert "group class" in found.why


def test_a_groups_cap_that_is_new_or_lowered_does_not_end_a_session() -> None:
    members = {"class": [running()]}
    new = seen(lease(groups=("class",)), limits(Cap("class", gpu_hours=0.0)), 1, **members)
    assert new.ends_at is None
    item = lease(groups=("class",), group_hours=(GroupHours("class", 5.0, 30.0),))
    lowered = seen(item, limits(Cap("class", gpu_hours=0.0)), 1, **members)
    assert lowered.ends_at == pytest.approx(GRANTED + 5 * HOUR)
    assert seen(item, limits(), 1, **members).ends_at is None


def test_the_earliest_end_counts() -> None:
    item = lease(expires_at=GRANTED + 3 * HOUR, gpu_hours_limit=5.0, gpu_hours_window=30.0)
    assert seen(item, limits(gpu_hours=5.0), 1, running()).ends_because is EndCause.TIME
    later = replace(item, expires_at=GRANTED + 9 * HOUR)
    assert seen(later, limits(gpu_hours=5.0), 1, running()).ends_because is EndCause.HOURS


def test_a_session_that_is_being_stopped_says_so_and_has_no_end_to_come() -> None:
    item = lease(state=LeaseState.STOPPING, end_reason="stopped by its user", expires_at=GRANTED)
    found = seen(item, limits(), 1)
    assert (found.ends_at, found.can_extend) == (None, False)
    assert found.why == "The session is over: stopped by its user."


# Idle.


def test_an_idle_gpu_is_taken_back() -> None:
    item = lease(active_at=GRANTED + HOUR, warned_at=GRANTED + HOUR)
    found = seen(item, limits(idle_minutes=30.0), 1.25)
    assert found.idle_since == GRANTED + HOUR
    assert found.ends_at == GRANTED + 1.5 * HOUR
    assert found.ends_because is EndCause.IDLE
    assert found.why == "A GPU that is not used for 30 minutes is taken back."


def test_a_gpu_that_was_used_a_moment_ago_is_not_idle() -> None:
    item = lease(active_at=GRANTED + HOUR - 60)
    found = seen(item, limits(idle_minutes=30.0), 1)
    assert (found.idle_since, found.ends_at) == (None, None)


def test_a_container_that_does_not_run_yet_is_not_idle() -> None:
    item = lease(active_at=GRANTED, state=LeaseState.GRANTED)
    assert seen(item, limits(idle_minutes=1.0), 1).ends_at is None


def test_what_is_not_known_to_be_idle_is_not() -> None:
    assert seen(lease(active_at=None), limits(idle_minutes=1.0), 10).ends_at is None


# Warnings before ends that nobody could foresee.


def test_an_end_that_comes_into_view_only_now_is_a_quarter_of_an_hour_away() -> None:
    item = lease(active_at=GRANTED)
    found = seen(item, limits(idle_minutes=30.0), 5)
    now = GRANTED + 5 * HOUR
    assert found.ends_at == now + 900
    assert found.warning_at == now
    warned = seen(replace(item, warned_at=now - 600), limits(idle_minutes=30.0), 5)
    assert warned.ends_at == now + 300


def test_a_short_patience_with_idle_gpus_stays_short() -> None:
    now = GRANTED + HOUR
    item = lease(active_at=now - 180)
    assert seen(item, limits(idle_minutes=5.0), 1).ends_at == now + 300


def test_a_session_rebuilt_from_labels_is_warned_first() -> None:
    item = lease(adopted=True, expires_at=GRANTED + HOUR)
    found = seen(item, limits(max_session_hours=1.0), 2)
    assert found.ends_at == GRANTED + 2 * HOUR + 900


def test_an_end_that_was_known_from_the_start_comes_in_time() -> None:
    quota = limits(session_hours=0.1)
    fresh = lease(expires_at=GRANTED + 360)
    item = with_hour_limits(fresh, quota, accounts(GRANTED, running()))
    assert item.warned_at == GRANTED
    assert seen(item, quota, 0.05, running()).ends_at == GRANTED + 360


def test_the_limits_of_the_moment_are_kept_with_the_session() -> None:
    quota = limits(Cap("a", gpu_hours=7.0, window_days=9.0), Cap("b", max_gpus=2), gpu_hours=5.0)
    item = with_hour_limits(
        lease(groups=("a", "b")), quota, accounts(GRANTED, running(), a=[running()])
    )
    assert (item.gpu_hours_limit, item.gpu_hours_window) == (5.0, 30.0)
    assert item.group_hours == (GroupHours("a", 7.0, 9.0),)
    assert item.warned_at is None


# Extensions.


def extended(item: Lease, effective: EffectiveQuota, at: float, hours=None, *spans, **groups):
    return extend(item, effective, accounts(GRANTED + at * HOUR, *spans, **groups), hours)


def test_an_extension_lasts_as_long_as_a_session_unless_told_otherwise() -> None:
    item = lease(expires_at=GRANTED + 4 * HOUR)
    quota = limits(session_hours=4.0, max_session_hours=12.0)
    assert extended(item, quota, 3).expires_at == GRANTED + 8 * HOUR
    assert extended(item, quota, 3, 1.5).expires_at == GRANTED + 5.5 * HOUR
    assert extended(item, quota, 3, 100).expires_at == GRANTED + 12 * HOUR
    assert extended(item, quota, 3).latest_end == GRANTED + 12 * HOUR


def test_without_a_usual_length_an_extension_takes_what_remains() -> None:
    item = lease(expires_at=GRANTED + 4 * HOUR)
    assert extended(item, limits(max_session_hours=9.0), 3).expires_at == GRANTED + 9 * HOUR
    unlimited = extended(item, limits(), 3)
    assert (unlimited.expires_at, unlimited.latest_end) == (None, None)


def test_no_number_of_extensions_leads_behind_the_calendar() -> None:
    item = lease(expires_at=GRANTED + 4 * HOUR)
    now = GRANTED + HOUR
    accounts = Accounts(now, {}, {})
    for _ in range(3):
        found = extend(item, limits(session_hours=4.0), accounts, 1_000_000.0)
        if isinstance(found, str):
            break
        item = found
    assert item.expires_at == now + 1_000_000 * HOUR
    assert found == "The session already lasts longer than anybody can plan for."


@pytest.mark.parametrize(
    ("item", "effective", "words"),
    [
        (lease(), limits(), "has no end"),
        (
            lease(expires_at=GRANTED + 12 * HOUR),
            limits(max_session_hours=12.0),
            "a session lasts 12 hours at most",
        ),
        (
            lease(expires_at=GRANTED + 12 * HOUR),
            limits(max_session_hours=2.0),  # lowered: it keeps what it has
            "a session lasts 2 hours at most",
        ),
        (
            lease(expires_at=GRANTED + 4 * HOUR, latest_end=GRANTED + 4 * HOUR, backfilled=True),
            limits(max_session_hours=24.0),
            "its GPU is reserved for a waiting user",
        ),
        (
            lease(expires_at=GRANTED + 9 * HOUR, gpu_hours_limit=4.0, gpu_hours_window=30.0),
            limits(max_session_hours=24.0, gpu_hours=4.0),
            "your GPU-hours are used up",
        ),
        (lease(state=LeaseState.STOPPING, expires_at=GRANTED + HOUR), limits(), "is over"),
    ],
)
def test_an_extension_that_gains_nothing_is_refused_with_the_reason(
    item: Lease, effective: EffectiveQuota, words: str
) -> None:
    answer = extended(item, effective, 1, None, running())
    assert isinstance(answer, str)
    assert words in answer
    assert seen(item, effective, 1, running()).can_extend is False


def test_a_promise_holds_even_if_the_limits_are_raised() -> None:
    item = lease(expires_at=GRANTED + 4 * HOUR, latest_end=GRANTED + 8 * HOUR, backfilled=True)
    changed = extended(item, limits(max_session_hours=48.0), 1)
    assert changed.expires_at == changed.latest_end == GRANTED + 8 * HOUR


def test_raised_hours_make_a_session_last_longer_without_an_extension_even() -> None:
    item = lease(expires_at=GRANTED + 9 * HOUR, gpu_hours_limit=4.0, gpu_hours_window=30.0)
    assert seen(item, limits(gpu_hours=6.0), 1, running()).ends_at == pytest.approx(
        GRANTED + 6 * HOUR
    )


def test_an_extension_is_a_sign_of_life() -> None:
    item = lease(active_at=GRANTED, expires_at=GRANTED + 4 * HOUR, warned_at=GRANTED)
    quota = limits(idle_minutes=120.0, max_session_hours=4.0)
    assert seen(item, quota, 1).ends_because is EndCause.IDLE
    changed = extended(item, quota, 1)
    assert changed.active_at == GRANTED + HOUR
    assert changed.expires_at == GRANTED + 4 * HOUR


def test_a_lowered_limit_never_shortens_by_way_of_an_extension() -> None:
    item = lease(
        active_at=GRANTED,
        warned_at=GRANTED + 1,
        expires_at=GRANTED + 12 * HOUR,
        latest_end=GRANTED + 12 * HOUR,
    )
    changed = extended(item, limits(idle_minutes=90.0, max_session_hours=2.0), 1)
    assert changed.expires_at == changed.latest_end == GRANTED + 12 * HOUR


def test_the_most_that_can_be_had_is_told() -> None:
    item = lease(expires_at=GRANTED + 4 * HOUR, gpu_hours_limit=9.0, gpu_hours_window=30.0)
    found = seen(item, limits(max_session_hours=12.0, gpu_hours=9.0), 1, running())
    assert found.can_extend
    assert found.extendable_until == pytest.approx(GRANTED + 9 * HOUR)


def by_program(item: Lease, effective: EffectiveQuota, at: float, hours: float | None = None):
    return extend(item, effective, accounts(GRANTED + at * HOUR), hours, by_program=True)


def test_an_extension_by_a_program_is_no_use_of_the_gpu() -> None:
    item = lease(active_at=GRANTED, expires_at=GRANTED + 2 * HOUR)
    changed = by_program(item, limits(idle_minutes=300.0, max_session_hours=12.0), 1, 2)
    assert isinstance(changed, Lease)
    assert (changed.expires_at, changed.active_at) == (GRANTED + 4 * HOUR, GRANTED)


def test_a_program_does_not_put_off_the_end_of_an_unused_gpu() -> None:
    quota = limits(idle_minutes=90.0, max_session_hours=12.0)
    item = lease(active_at=GRANTED, expires_at=GRANTED + 4 * HOUR)
    assert "its GPU is not used" in str(by_program(item, quota, 1, 2))
    person = extended(item, quota, 1, 2)
    assert person.active_at == GRANTED + HOUR


def test_an_extension_by_a_program_gains_a_minute_at_least() -> None:
    quota = limits(max_session_hours=2.0)
    nearly = lease(expires_at=GRANTED + 2 * HOUR - 59)
    assert isinstance(extended(nearly, quota, 1), Lease)
    assert "2 hours at most" in str(by_program(nearly, quota, 1))
    assert isinstance(by_program(lease(expires_at=GRANTED + 2 * HOUR - 60), quota, 1), Lease)
