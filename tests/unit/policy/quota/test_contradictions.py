"""Limits that contradict each other are said in a sentence to the person who sets one of them."""

from __future__ import annotations

import pytest

from gpudock.model import Quota
from gpudock.policy.quota.contradictions import contradictions
from gpudock.policy.quota.documents import FIELDS, parse_document
from gpudock.policy.quota.resolve import resolve

SHIPPED = Quota(session_hours=4.0, max_session_hours=12.0)
NOW = 1_800_000_000.0


def found(level="user", /, default=None, **document):
    parsed = parse_document(document, level)
    limits = resolve(
        SHIPPED,
        default,
        {"g": parsed} if level == "group" else None,
        parsed if level == "user" else None,
        NOW,
    )
    return contradictions(parsed, limits.quota, NOW)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"session_hours": 24}, "sessions will last 12 h, the maximum"),
        ({"session_hours": 4, "max_session_hours": 2}, "sessions will last 2 h, the maximum"),
        ({"idle_minutes": 240}, "over before they can be idle for so long"),
        ({"idle_minutes": 90, "session_hours": 1}, "sessions last 1 h (60 min)"),
        ({"gpu_hours": 2}, "one with a whole GPU ends after 2 h"),
        ({"gpu_hours": 0.1}, "a session ends after 6 min of one GPU"),
        ({"window_days": 7}, "window_days has no effect here"),
        (
            {"boost": {"max_gpus": 2, "until": "2020-01-01T00:00:00+00:00"}},
            "it ended on 2020-01-01",
        ),
        (
            {"boost": {"session_hours": 48, "until": "2050-01-01T00:00:00+00:00"}},
            "sessions will last 12 h, the maximum",
        ),
    ],
)
def test_each_contradiction_has_one_sentence(document, words):
    (text,) = found(**document)
    assert words in text
    assert text.endswith(".")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"max_gpus": 4, "group_max_gpus": 2}, "nobody gets more than 2"),
        ({"gpu_hours": 100, "group_gpu_hours": 50}, "nobody gets more than 50"),
    ],
)
def test_what_a_group_has_together_bounds_what_a_member_has(document, words):
    (text,) = found("group", **document)
    assert words in text


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"max_gpus": 8},
        {"session_hours": 12},
        {"session_hours": 8, "idle_minutes": 60},
        {"max_session_hours": 2},
        {"max_session_hours": None, "session_hours": 100},
        {"gpu_hours": 0},
        {"gpu_hours": 100, "window_days": 7},
        {"boost": {"max_gpus": 2, "until": "2050-01-01T00:00:00+00:00"}},
    ],
)
def test_limits_that_fit_together_need_no_sentence(document):
    assert found(**document) == []


def test_what_somebody_else_has_set_wrongly_is_not_said_to_the_one_who_sets_another_limit():
    default = {"session_hours": 48.0, "max_session_hours": 2.0}
    assert found(default=default, max_gpus=2) == []
    assert len(found(default=default, max_session_hours=6)) == 1


def test_a_lab_that_sets_the_maximum_alone_has_sessions_of_that_length():
    for level in ({"default": {"max_session_hours": 48.0}}, {"user": {"max_session_hours": 48.0}}):
        limits = resolve(SHIPPED, **level).quota
        assert (limits.session_hours, limits.max_session_hours) == (None, 48.0)
    assert resolve(SHIPPED, {"max_gpus": 2}).quota.session_hours == 4.0
    both = resolve(SHIPPED, {"session_hours": 6.0}, None, {"max_session_hours": 48.0}).quota
    assert (both.session_hours, both.max_session_hours) == (6.0, 48.0)


def test_the_limits_of_the_shipped_default_agree():
    everything = {name: getattr(SHIPPED, name) for name in FIELDS if name != "window_days"}
    assert contradictions(everything, SHIPPED, NOW) == []
