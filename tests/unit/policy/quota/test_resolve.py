"""Which limits hold, where they come from, and what they refuse."""

import math

import pytest

from gpudock.model import Lease, LeaseState, Quota, Request
from gpudock.policy.quota.documents import FIELDS, check_place, parse_document
from gpudock.policy.quota.errors import QuotaDocumentError
from gpudock.policy.quota.resolve import (
    Cap,
    EffectiveQuota,
    Usage,
    check,
    held_back,
    resolve,
    usage,
)


def request(gpus: int) -> Request:
    return Request("r", "ada", "", gpus, 0.0, "image")


def test_without_documents_the_shipped_default_holds() -> None:
    effective = resolve(Quota())
    assert effective.quota == Quota(max_gpus=1, gpu_hours=None, max_session_hours=12.0)
    assert set(effective.origin.values()) == {"default"}
    assert set(effective.origin) == set(FIELDS)


def test_levels_are_resolved_field_by_field_and_name_their_origin() -> None:
    effective = resolve(
        Quota(),
        default={"max_gpus": 2, "idle_minutes": 30},
        groups={"vision": {"max_gpus": 4, "gpu_hours": 100.0}},
        user={"gpu_hours": 5.0},
    )
    assert effective.quota.max_gpus == 4
    assert effective.quota.gpu_hours == 5.0
    assert effective.quota.idle_minutes == 30
    assert effective.quota.max_session_hours == 12.0
    assert effective.origin["max_gpus"] == "group vision"
    assert effective.origin["gpu_hours"] == "user"
    assert effective.origin["idle_minutes"] == "default"


def test_a_user_can_be_held_lower_than_the_group() -> None:
    assert resolve(Quota(), groups={"g": {"max_gpus": 8}}, user={"max_gpus": 0}).quota.max_gpus == 0


@pytest.mark.parametrize(
    ("field", "one", "other", "best"),
    [
        ("max_gpus", 2, 4, 4),
        ("max_gpus", 2, None, None),
        ("gpu_hours", 0.0, 10.0, 10.0),
        ("max_session_hours", None, 12.0, None),
        ("weight", 1.0, 3.0, 3.0),
        # The same hours in a shorter window are more hours.
        ("window_days", 7.0, 30.0, 7.0),
        ("window_days", None, 30.0, 30.0),
        ("gpu_models", ("*A100*",), ("*4090*",), ("*A100*", "*4090*")),
        ("gpu_models", ("*A100*",), None, None),
    ],
)
def test_the_most_generous_group_counts(
    field: str, one: object, other: object, best: object
) -> None:
    for groups in (
        {"a": {field: one}, "b": {field: other}},
        {"a": {field: other}, "b": {field: one}},
    ):
        found = getattr(resolve(Quota(), groups=groups).quota, field)
        assert (set(found) if isinstance(found, tuple) else found) == (
            set(best) if isinstance(best, tuple) else best
        )


def test_a_document_is_kept_in_one_form() -> None:
    parsed = parse_document(
        {"max_gpus": 2, "gpu_hours": 5, "gpu_models": ["*A100*"], "weight": 2}, "user"
    )
    assert parsed == {"max_gpus": 2, "gpu_hours": 5.0, "gpu_models": ("*A100*",), "weight": 2.0}
    assert parse_document({"max_gpus": None}, "user") == {"max_gpus": None}


@pytest.mark.parametrize(
    "document",
    [
        {"max_gpu": 1},
        {"max_gpus": -1},
        {"max_gpus": 1.5},
        {"max_gpus": True},
        {"max_gpus": "2"},
        {"max_gpus": 10**30},
        {"gpu_hours": float("nan")},
        {"gpu_hours": float("inf")},
        {"gpu_hours": 10**400},
        {"gpu_hours": -0.5},
        {"window_days": 0},
        {"max_session_hours": 0},
        {"idle_minutes": []},
        {"weight": None},
        {"weight": 0},
        {"gpu_models": "*A100*"},
        {"gpu_models": [""]},
        {"gpu_models": [1]},
        {"gpu_models": ["a" * 256]},
        {"gpu_models": ["*\x00*"]},
        {"gpu_models": ["*"] * 101},
        {"max_gpus": "\ud800"},
        {"weight": float("nan")},
        {"session_hours": float("inf")},
        {"session_hours": 0},
        {"session_hours": True},
        {1: 1},
        {"group_max_gpus": 1},
        {"group_gpu_hours": 1.0},
        {"boost": None},
        {"boost": []},
        {"boost": {}},
        {"boost": {"max_gpus": 1}},
        {"boost": {"until": "2026-12-01T00:00:00+00:00"}},
        {"boost": {"until": 1, "max_gpus": 1}},
        {"boost": {"until": "tomorrow", "max_gpus": 1}},
        {"boost": {"until": "2026-12-01T00:00:00", "max_gpus": 1}},
        {"boost": {"until": "0001-01-01T00:00:00+23:59", "max_gpus": 1}},
        {"boost": {"until": "2026-12-01T00:00:00Z", "max_gpu": 1}},
        {"boost": {"until": "2026-12-01T00:00:00Z", "max_gpus": -1}},
        {"boost": {"until": "2026-12-01T00:00:00Z", "group_max_gpus": 1}},
        {"boost": {"until": "2026-12-01T00:00:00Z", "boost": {}}},
        [],
        "max_gpus",
        None,
    ],
)
def test_a_bad_document_is_refused_with_one_sentence(document: object) -> None:
    with pytest.raises(QuotaDocumentError) as caught:
        parse_document(document, "user")
    assert str(caught.value).endswith(".")
    assert "Traceback" not in str(caught.value)


def test_only_a_groups_document_caps_the_group() -> None:
    document = {"group_max_gpus": 8, "group_gpu_hours": 100}
    assert parse_document(document, "group") == {"group_max_gpus": 8, "group_gpu_hours": 100.0}
    for level in ("default", "user"):
        with pytest.raises(QuotaDocumentError, match="limits a group as a whole"):
            parse_document(document, level)


def test_a_boosts_end_is_kept_in_one_form() -> None:
    boost = {"until": "2026-12-01T01:00:00+01:00", "max_gpus": 4, "gpu_models": ["*A100*"]}
    assert parse_document({"boost": boost}, "user") == {
        "boost": {
            "until": "2026-12-01T00:00:00+00:00",
            "max_gpus": 4,
            "gpu_models": ("*A100*",),
        }
    }


@pytest.mark.parametrize(
    ("level", "name"),
    [
        ("team", "x"),
        ("default", "x"),
        ("user", ""),
        ("group", "g" * 256),
        ("user", "a\nb"),
        ("user", "\x00"),
        ("group", "\ud800"),
    ],
)
def test_a_document_has_a_place_that_there_can_be(level: str, name: str) -> None:
    with pytest.raises(QuotaDocumentError) as caught:
        check_place(level, name)
    assert str(caught.value).endswith(".")


def test_whoever_has_a_name_may_have_a_document() -> None:
    for name in ("ada", "../x", "{0}", "名前🦆", "a" * 255, "'; DROP TABLE"):
        check_place("user", name)
        check_place("group", name)
    check_place("default", "")


# Boosts.

UNTIL = "2026-12-01T00:00:00+00:00"
END = 1_796_083_200.0


def test_while_a_boost_lasts_its_fields_stand_in_place_of_its_levels_own() -> None:
    document = {"max_gpus": 1, "gpu_hours": 5.0, "boost": {"until": UNTIL, "max_gpus": 4}}
    before = resolve(Quota(), user=document, now=END - 1)
    assert (before.quota.max_gpus, before.quota.gpu_hours) == (4, 5.0)
    assert before.origin["max_gpus"] == f"user boost until {UNTIL}"
    assert before.origin["gpu_hours"] == "user"
    after = resolve(Quota(), user=document, now=END)
    assert (after.quota.max_gpus, after.origin["max_gpus"]) == (1, "user")


def test_a_boost_does_not_change_the_order_of_levels() -> None:
    boosted = {"boost": {"until": UNTIL, "max_gpus": 8}}
    effective = resolve(Quota(), default=boosted, groups={"g": {"max_gpus": 2}}, now=0)
    assert (effective.quota.max_gpus, effective.origin["max_gpus"]) == (2, "group g")
    effective = resolve(Quota(), groups={"g": boosted, "h": {"max_gpus": 2}}, now=0)
    assert effective.quota.max_gpus == 8
    assert effective.origin["max_gpus"] == f"group g boost until {UNTIL}"


# Caps of groups.


def test_a_groups_cap_has_the_groups_window_or_else_the_defaults() -> None:
    groups = {
        "a": {"group_max_gpus": 4},
        "b": {"group_gpu_hours": 10.0, "window_days": 7.0},
        "c": {"max_gpus": 2},
        "d": {"group_max_gpus": None, "boost": {"until": UNTIL, "group_gpu_hours": 5.0}},
    }
    effective = resolve(Quota(), default={"window_days": 14.0}, groups=groups, now=0)
    assert effective.caps == (
        Cap("a", 4, None, 14.0),
        Cap("b", None, 10.0, 7.0),
        Cap("d", None, 5.0, 14.0),
    )
    assert [cap.group for cap in resolve(Quota(), groups=groups, now=END).caps] == ["a", "b"]


# What is refused when it is asked for, and what waits.


def using(used: Usage, *caps: Cap, **limits: object) -> EffectiveQuota:
    return EffectiveQuota(Quota(**limits), {}, used, caps)


def test_hours_that_are_used_up_refuse_with_the_moment_from_which_there_are_some() -> None:
    used = Usage(gpu_hours=9.9, hours_from=END)
    denial = check(request(1), using(used, gpu_hours=10.0), Usage())
    assert denial is not None
    assert denial.reason == "hours"
    assert denial.message == (
        "You have used 9.9 of your 10 GPU-hours in 30 days. There are hours again from"
        " 2026-12-01 00:00 UTC. Choose a server without a GPU."
    )
    assert check(request(0), using(used, gpu_hours=10.0), Usage()) is None


@pytest.mark.parametrize(
    ("limit", "used", "gpus", "enough"),
    [
        (10.0, 9.75, 1, True),
        (10.0, 9.76, 1, False),
        (10.0, 9.5, 2, True),
        (10.0, 9.51, 2, False),
        (0.1, 0.0, 1, True),  # a limit below the shortest session counts as that
        (0.1, 0.05, 1, False),
        (0.0, 0.0, 1, False),
        (None, 1e9, 8, True),
    ],
)
def test_a_gpu_is_given_only_if_its_hours_last_for_a_while(
    limit: float | None, used: float, gpus: int, enough: bool
) -> None:
    effective = using(Usage(gpu_hours=used), gpu_hours=limit, max_gpus=None)
    assert (held_back(request(gpus), effective) is None) is enough
    assert (check(request(gpus), effective, Usage()) is None) is enough
    capped = using(Usage(), Cap("g", gpu_hours=limit, used=Usage(gpu_hours=used)), max_gpus=None)
    assert (held_back(request(gpus), capped) is None) is enough


def test_what_was_granted_in_the_same_round_counts() -> None:
    cap = Cap("g", max_gpus=3, used=Usage(gpus=1))
    effective = using(Usage(gpus=1), cap, max_gpus=2)
    assert held_back(request(1), effective) is None
    assert held_back(request(1), effective, extra_gpus=1) == (
        "You use 2 of the 2 GPUs that your quota allows; this server starts when another of yours"
        " has stopped."
    )
    assert held_back(request(1), effective, 0, {"g": 2}) == (
        "The members of the group g use 3 of the 3 GPUs that it may have at once."
    )
    assert held_back(request(0), effective, 9, {"g": 9}) is None


def test_a_full_group_makes_wait_and_one_that_can_never_hold_it_refuses() -> None:
    full = using(Usage(), Cap("g", max_gpus=3, used=Usage(gpus=3)), max_gpus=None)
    assert check(request(2), full, Usage()) is None
    assert held_back(request(2), full) is not None
    denial = check(request(4), full, Usage())
    assert denial is not None
    assert denial.message.startswith("The group g may use 3 GPUs at once, and this server asks")


def test_a_request_beyond_the_limit_is_refused_with_what_to_do() -> None:
    denial = check(request(3), resolve(Quota(max_gpus=2)), Usage())
    assert denial is not None
    assert denial.reason == "quota"
    assert denial.message == (
        "Your quota allows 2 GPUs at once, and this server asks for 3. Ask for fewer GPUs, or ask"
        " an administrator for a larger quota."
    )


def test_devices_on_their_way_back_can_be_waited_for_but_not_granted_on() -> None:
    effective = resolve(Quota(max_gpus=1))
    assert check(request(1), effective, Usage(gpus=1)) is not None
    assert check(request(1), effective, Usage(gpus=1, stopping=1)) is None
    held = EffectiveQuota(effective.quota, {}, Usage(gpus=1, stopping=1))
    assert held_back(request(1), held) is not None


def test_a_server_without_gpu_needs_no_quota() -> None:
    assert check(request(0), resolve(Quota(max_gpus=0)), Usage()) is None
    held = EffectiveQuota(Quota(max_gpus=0), {}, Usage(gpus=5))
    assert held_back(request(0), held) is None


def test_usage_counts_all_servers_of_the_user_and_of_nobody_else() -> None:
    def lease(user: str, gpus: int, state: LeaseState) -> Lease:
        uuids = tuple(f"{user}{state}{number}" for number in range(gpus))
        return Lease(f"{user}{state}", user, state, "image", uuids, 0.0, state=state)

    leases = [
        lease("ada", 1, LeaseState.GRANTED),
        lease("ada", 2, LeaseState.STOPPING),
        lease("bob", 4, LeaseState.ACTIVE),
    ]
    assert usage(leases, "ada") == Usage(gpus=3, stopping=2)


NUMBERS = [
    "gpu_hours",
    "window_days",
    "session_hours",
    "max_session_hours",
    "idle_minutes",
    "weight",
    "group_gpu_hours",
]


@pytest.mark.parametrize("value", [1e-320, 5e-324, 0.0001, 1_000_000.5, 1e300, 10**400])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_have_bounds_that_make_sense(name: str, value: float) -> None:
    with pytest.raises(QuotaDocumentError, match=rf"^{name} is .*from 0.0.* to 1,000.*\.$"):
        parse_document({name: value}, "group")


@pytest.mark.parametrize("value", [1e-320, -1.0, 1e300, 10**400, math.inf, math.nan])
@pytest.mark.parametrize("name", FIELDS)
def test_numbers_that_are_stored_beyond_their_bounds_count_as_the_nearest(
    name: str, value: float
) -> None:
    if name == "gpu_models":
        return
    for effective in (
        resolve(Quota(), user={name: value}),
        resolve(Quota(), groups={"class": {name: value}}),
        resolve(Quota(**{name: value})),
    ):
        counted = getattr(effective.quota, name)
        assert parse_document({name: counted}, "user") == {name: counted}


def test_caps_that_are_stored_beyond_their_bounds_count_as_the_nearest() -> None:
    document = {"group_max_gpus": 10**400, "group_gpu_hours": 1e-320, "window_days": 1e-320}
    (cap,) = resolve(Quota(), groups={"class": document}).caps
    assert (cap.max_gpus, cap.gpu_hours, cap.window_days) == (1_000_000, 0.01, 0.01)
