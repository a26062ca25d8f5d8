"""A lead gives members what the group has, and no more; and themselves nothing that they lack."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudock.model import Quota
from gpudock.policy.quota.delegation import (
    DocumentChange,
    Lead,
    Levels,
    Member,
    refusal,
    set_by_administrators,
)
from gpudock.policy.quota.documents import FIELDS, parse_document
from gpudock.policy.quota.resolve import resolve

NOW = 1_000_000.0
GROUP = {
    "max_gpus": 2,
    "gpu_hours": 100.0,
    "window_days": 30.0,
    "session_hours": 4.0,
    "max_session_hours": 12.0,
    "idle_minutes": 60.0,
    "weight": 2.0,
    "gpu_models": ["*A100*", "NVIDIA L4"],
}
LEAD = Lead("lea", {name: Member(("vision",), ("audio", "vision")) for name in ("ada", "lea")})


def at(seconds: float) -> str:
    return dt.datetime.fromtimestamp(NOW + seconds, dt.UTC).isoformat()


def levels(group: Any = GROUP, default: Any = None, audio: Any = None) -> Levels:
    return Levels(Quota(), default, {"vision": group, "audio": audio or {}}, NOW)


def refused(
    after: Any, before: Any = None, user: str = "ada", limited: Any = None, **rest: Any
) -> str | None:
    parsed = None if after is None else parse_document(after, "user")
    return refusal(LEAD, user, before, parsed, levels(**rest), limited)


WITHIN = [
    {},
    None,
    {"max_gpus": 2},
    {"max_gpus": 0, "weight": 0.5},
    {"gpu_hours": 100},
    {"gpu_hours": 50, "window_days": 60},
    {"window_days": None},
    {"session_hours": 4, "max_session_hours": 1},
    {"idle_minutes": 5},
    {"gpu_models": []},
    {"gpu_models": ["*A100*"]},
    {"gpu_models": ["*a100-SXM*", "nvidia l4"]},
    {"boost": {"until": at(60), "max_gpus": 2}},
]
BEYOND = [
    ({"max_gpus": 3}, 'max_gpus of "ada" to 2 at most'),
    ({"max_gpus": None}, "max_gpus"),
    ({"gpu_hours": 101}, 'gpu_hours of "ada" to 100 in 30 days at most'),
    ({"gpu_hours": None}, "gpu_hours"),
    ({"window_days": 1}, "gpu_hours"),
    ({"gpu_hours": 10, "window_days": 29}, "gpu_hours"),
    ({"session_hours": 5}, "session_hours"),
    ({"session_hours": None}, "session_hours"),
    ({"max_session_hours": 13}, "max_session_hours"),
    ({"max_session_hours": None}, "max_session_hours"),
    ({"idle_minutes": None}, "idle_minutes"),
    ({"idle_minutes": 61}, "idle_minutes"),
    ({"weight": 2.5}, 'weight of "ada" to 2 at most'),
    ({"gpu_models": None}, "gpu_models"),
    ({"gpu_models": ["*H100*"]}, "to some of *A100*;NVIDIA L4"),
    ({"gpu_models": ["*"]}, "gpu_models"),
    ({"gpu_models": ["*A100*", "*L4*"]}, "gpu_models"),
    ({"gpu_models": ["?A100"]}, "gpu_models"),
    ({"gpu_models": ["[A100]"]}, "gpu_models"),
    ({"boost": {"until": at(60), "max_gpus": 3}}, "max_gpus"),
    ({"boost": {"until": at(60), "window_days": 1}}, "gpu_hours"),
    ({"gpu_hours": 100, "boost": {"until": at(60), "window_days": 1}}, "gpu_hours"),
]


@pytest.mark.parametrize("document", WITHIN)
def test_what_the_group_has_its_lead_may_give(document: Any) -> None:
    assert refused(document) is None


@pytest.mark.parametrize(("document", "words"), BEYOND)
def test_what_the_group_has_not_its_lead_cannot_give(document: Any, words: str) -> None:
    said = refused(document)
    assert said is not None
    assert words in said
    assert "what the group vision gives. Ask an administrator for more." in said


def test_where_the_group_says_nothing_the_default_is_the_bound() -> None:
    said = refused({"max_gpus": 4}, group={}, default={"max_gpus": 3})
    assert said == (
        'You may set max_gpus of "ada" to 3 at most: that is what the default quota gives.'
        " Ask an administrator for more."
    )
    assert refused({"max_gpus": 3}, group={}, default={"max_gpus": 3}) is None
    assert refused({"max_gpus": 2}, group={}) is not None, "as shipped it is one GPU"


def test_what_other_groups_have_a_lead_cannot_give() -> None:
    assert refused({"max_gpus": 4}, audio={"max_gpus": 8}) is not None


def test_a_boost_of_the_group_is_not_its_leads_to_give() -> None:
    group = {"max_gpus": 2, "boost": {"until": at(600), "max_gpus": 8}}
    assert refused({"max_gpus": 8}, group=group) is not None
    assert refused({"boost": {"until": at(60), "max_gpus": 8}}, group=group) is not None
    default = {"max_gpus": 2, "boost": {"until": at(600), "max_gpus": 8}}
    assert refused({"max_gpus": 8}, group={}, default=default) is not None


def test_hours_without_a_limit_of_the_group_may_be_limited_in_any_window() -> None:
    group = {"gpu_hours": None, "window_days": 30}
    assert refused({"gpu_hours": 10, "window_days": 7}, group=group) is None
    # Alone it would turn a limit that the group gets later into one for each day.
    said = refused({"window_days": 1}, group=group)
    assert said is not None
    assert 'window_days of "ada" to 30 days at least' in said


GIVEN = {
    "max_gpus": 8,
    "gpu_hours": 20.0,
    "window_days": 1.0,
    "gpu_models": ["*H100*"],
    "boost": {"until": at(600), "max_gpus": 16, "weight": 9.0},
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"max_gpus": 7},
        {"weight": 1},
        {"gpu_hours": 10},
        {"window_days": 2},
        {"gpu_models": ["*H100*", "*A100*"]},
        {"boost": {"until": at(60), "max_gpus": 16, "weight": 9.0}},
        {"boost": {"until": at(60), "max_gpus": 12}},
        {"boost": {"until": at(6000), "max_gpus": 8}},
    ],
)
def test_what_an_administrator_gave_may_stay_or_be_less(change: Any) -> None:
    assert refused({**GIVEN, **change}, GIVEN) is None


@pytest.mark.parametrize(
    "change",
    [
        {"max_gpus": 9},
        {"gpu_hours": 21},
        {"gpu_hours": 100},
        {"window_days": 0.5},
        {"gpu_models": ["*H100*", "*H200*"]},
        {"weight": 9},
        {"max_gpus": 16},
        {"boost": {"until": at(601), "max_gpus": 16, "weight": 9.0}},
        {"boost": {"until": at(600), "max_gpus": 17}},
    ],
)
def test_what_an_administrator_gave_is_not_made_more_or_longer(change: Any) -> None:
    assert refused({**GIVEN, **change}, GIVEN) is not None


def test_a_boost_that_is_over_gives_nothing_and_is_in_nobodys_way() -> None:
    over = {"boost": {"until": at(-60), "max_gpus": 16}}
    assert refused({**over, "weight": 1}, over) is None
    assert refused({"max_gpus": 16}, over) is not None
    assert refused({"boost": {"until": at(1), "max_gpus": 16}}, over) is not None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"max_gpus": 1}, {"max_gpus": 2}),
        ({"max_gpus": 1}, None),
        ({"max_gpus": 1}, {"weight": 1}),
        (None, {"weight": 2.0, "max_gpus": 3}),
        ({"gpu_hours": 10.0}, {}),
        ({"gpu_hours": 10.0}, {"gpu_hours": 10, "window_days": 10}),
        ({"gpu_models": ["NVIDIA L4"]}, {"gpu_models": ["NVIDIA L4", "*A100*"]}),
        ({"gpu_models": ["NVIDIA L4"]}, {}),
        ({"max_gpus": 1}, {"max_gpus": 1, "boost": {"until": at(60), "max_gpus": 2}}),
    ],
)
def test_a_lead_does_not_raise_their_own_limits_even_within_the_groups(
    before: Any, after: Any
) -> None:
    said = refused(after, before, user="lea")
    assert said is not None
    assert said.endswith("Ask an administrator.")
    assert "You may not raise your own limits" in said


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, {"max_gpus": 1}),
        ({"max_gpus": 2}, None),
        ({"max_gpus": 8}, {"max_gpus": 3}),
        (None, {"gpu_hours": 50}),
        (None, {}),
    ],
)
def test_a_lead_may_lower_their_own_limits(before: Any, after: Any) -> None:
    assert refused(after, before, user="lea") is None


def test_a_lead_does_not_let_a_boost_of_another_group_in() -> None:
    audio = {"max_gpus": 2, "boost": {"until": at(600), "max_gpus": 8}}
    assert refused(None, {"max_gpus": 2}, user="lea", audio=audio) is not None
    assert refused(None, {"max_gpus": 2}, audio=audio) is None


LIMITED = {
    "max_gpus": 1,
    "gpu_hours": 10.0,
    "window_days": 60.0,
    "gpu_models": ["NVIDIA L4"],
    "boost": {"until": at(600), "max_gpus": 0},
}


@pytest.mark.parametrize(
    ("after", "name"),
    [
        (None, "max_gpus"),
        ({}, "max_gpus"),
        ({**LIMITED, "max_gpus": 2}, "max_gpus"),
        ({**LIMITED, "gpu_hours": 11}, "gpu_hours"),
        ({**LIMITED, "window_days": 30}, "gpu_hours"),
        ({**LIMITED, "gpu_models": ["NVIDIA L4", "*A100*"]}, "gpu_models"),
        ({**LIMITED, "boost": {"until": at(600), "max_gpus": 1}}, "max_gpus"),
        ({**LIMITED, "boost": {"until": at(599), "max_gpus": 0}}, "max_gpus"),
        ({**LIMITED, "boost": {"until": at(900), "max_gpus": 0, "gpu_hours": 20}}, "gpu_hours"),
        ({name: LIMITED[name] for name in LIMITED if name != "boost"}, "max_gpus"),
    ],
)
def test_what_an_administrator_limited_a_lead_does_not_lift(after: Any, name: str) -> None:
    said = refused(after, LIMITED, limited=LIMITED)
    assert said == (
        f'An administrator has limited {name} of "ada", and it would be higher than that. Ask an'
        " administrator for more."
    )


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"max_gpus": 0},
        {"gpu_hours": 5},
        {"window_days": 90},
        {"gpu_models": []},
        {"weight": 2},
        {"session_hours": 4},
        {"boost": {"until": at(900), "max_gpus": 0}},
    ],
)
def test_what_an_administrator_limited_a_lead_may_lower(change: Any) -> None:
    assert refused({**LIMITED, **change}, LIMITED, limited=LIMITED) is None


def test_what_a_lead_lowered_they_raise_again_as_far_as_the_administrators_limit() -> None:
    assert refused({"max_gpus": 1}, {"max_gpus": 0}, limited={"max_gpus": 1}) is None
    assert refused({"max_gpus": 2}, {"max_gpus": 0}, limited={"max_gpus": 1}) is not None


def test_what_is_higher_than_an_administrators_limit_already_may_stay() -> None:
    assert refused({"max_gpus": 2, "weight": 1}, {"max_gpus": 2}, limited={"max_gpus": 1}) is None


def past(*changes: tuple[Any, Any, bool]) -> list[DocumentChange]:
    return [DocumentChange(*change) for change in changes]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        # Nobody knows who set what was there before.
        ([], {"max_gpus": 7}),
        ([({"max_gpus": 3}, {"max_gpus": 2}, True)], {"max_gpus": 3}),
        ([(None, {"max_gpus": 2}, True)], {}),
        ([(None, {"max_gpus": 2}, False)], {"max_gpus": 2}),
        ([(None, {"max_gpus": 2}, False), ({"max_gpus": 2}, None, True)], {"max_gpus": 2}),
        ([(None, {"max_gpus": 2}, False), ({"max_gpus": 2}, None, False)], {}),
        # What an administrator leaves as it is stays the lead's.
        (
            [
                (None, {"max_gpus": 2}, True),
                ({"max_gpus": 2}, {"max_gpus": 2, "weight": 1.0}, False),
            ],
            {"weight": 1.0},
        ),
        (
            [
                (None, {"max_gpus": 2}, False),
                ({"max_gpus": 2}, {"max_gpus": 0}, True),
                ({"max_gpus": 0}, {"max_gpus": 0, "weight": 1.0}, False),
            ],
            {"max_gpus": 2, "weight": 1.0},
        ),
    ],
)
def test_what_administrators_set_is_read_from_the_changes(changes: Any, found: Any) -> None:
    assert set_by_administrators(past(*changes), {"max_gpus": 7}) == found


amounts = st.one_of(st.none(), st.integers(1, 12))
documents = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ("max_gpus", "gpu_hours", "session_hours", "max_session_hours", "idle_minutes"),
            amounts,
        ),
        "weight": st.integers(1, 12),
        "gpu_models": st.lists(st.sampled_from(["*A*", "A1", "A2", "B1"]), max_size=3),
    },
)


@given(group=documents, before=documents, after=documents)
def test_whatever_a_lead_is_allowed_gives_nothing_beyond_group_and_present(
    group: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> None:
    if refused(after, before, group=group) is not None:
        return
    of_group, had, has = (
        resolve(Quota(), None, {"vision": group}, own).quota for own in (None, before, after)
    )
    for name in FIELDS:
        got, most = getattr(has, name), (getattr(of_group, name), getattr(had, name))
        if name == "gpu_models":
            models = {"A1", "A2", "A3", "B1", "B2"}
            allowed = set().union(*(_models(models, patterns) for patterns in most))
            assert _models(models, got) <= allowed
        elif name != "window_days":
            assert None in most or (got is not None and got <= max(most))


@pytest.mark.integration
@given(group=documents, limited=documents, steps=st.lists(documents, max_size=4))
def test_no_number_of_steps_leads_beyond_an_administrators_limit(
    group: dict[str, Any], limited: dict[str, Any], steps: list[dict[str, Any]]
) -> None:
    present = limited
    for step in steps:
        if refused(step, present, limited=limited, group=group) is None:
            present = step
    most, has = (resolve(Quota(), None, {"vision": group}, own).quota for own in (limited, present))
    for name in limited:
        got, limit = getattr(has, name), getattr(most, name)
        if name == "gpu_models":
            models = {"A1", "A2", "A3", "B1", "B2"}
            assert _models(models, got) <= _models(models, limit)
        else:
            assert limit is None or (got is not None and got <= limit)


def _models(models: set[str], patterns: Any) -> set[str]:
    if patterns is None:
        return models
    return {m for m in models for p in patterns if p == m or (p == "*A*" and "A" in m)}
