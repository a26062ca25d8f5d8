"""Which limits hold, where they come from, and what they refuse."""

import pytest

from gpudock.model import Lease, LeaseState, Quota, Request
from gpudock.policy.quota import (
    FIELDS,
    QuotaDocumentError,
    Usage,
    check,
    fits,
    parse_document,
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
    ],
)
def test_a_bad_document_is_refused_with_a_sentence(document: dict[str, object]) -> None:
    with pytest.raises(QuotaDocumentError) as caught:
        parse_document(document, "user")
    assert str(caught.value).endswith(".")


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
    assert not fits(request(1), effective, Usage(gpus=1, stopping=1))


def test_a_server_without_gpu_needs_no_quota() -> None:
    assert check(request(0), resolve(Quota(max_gpus=0)), Usage()) is None
    assert fits(request(0), resolve(Quota(max_gpus=0)), Usage(gpus=5))


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
