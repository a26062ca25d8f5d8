"""Each reason that the lab writes down for the end of a session is one that people understand."""

from __future__ import annotations

import pytest

from gpudock.model import Lease
from gpudock.policy.end_reasons import RELEASED_BY_USER, EndKind, explain, released_by
from gpudock.policy.quota.gpu_hours import HOUR


def ended(reason: str | None, **options: object) -> Lease:
    values = {"granted_at": 1000.0, "expires_at": 1000.0 + 12 * HOUR, **options}
    return Lease("l", "ada", "", "image", ("GPU-1",), end_reason=reason, **values)


@pytest.mark.parametrize(
    ("reason", "kind", "text"),
    [
        (RELEASED_BY_USER, EndKind.STOPPED, "Stopped by ada"),
        (released_by("admin"), EndKind.STOPPED, "Stopped by admin"),
        (released_by("service cull-idle"), EndKind.STOPPED, "Stopped by service cull-idle"),
        ("an administrator released it", EndKind.STOPPED, "Stopped by an administrator"),
        ("stopped", EndKind.STOPPED, "Stopped"),
        (None, EndKind.STOPPED, "Stopped"),
        ("its time was up", EndKind.TIME, "12 h limit reached"),
        ("the GPU-hours were used up", EndKind.HOURS, "GPU-hours used up"),
        (
            "the GPU-hours of the group vision were used up",
            EndKind.HOURS,
            "GPU-hours of the group vision used up",
        ),
        (
            "its GPU was not used for 60 minutes",
            EndKind.IDLE,
            "Idle limit of 60 minutes reached",
        ),
        ("its container exited (0)", EndKind.EXITED, "JupyterLab was shut down"),
        (
            "its container exited (137)",
            EndKind.EXITED,
            "The container was killed, most often for lack of memory (exit code 137)",
        ),
        (
            "its container exited (1)",
            EndKind.EXITED,
            "JupyterLab ended with an error (exit code 1)",
        ),
        ("its container exited (None)", EndKind.EXITED, "The container ended"),
        (
            "its container is gone",
            EndKind.EXITED,
            "The container was removed from outside the lab",
        ),
        ("its start was interrupted", EndKind.NOT_STARTED, "The start was interrupted"),
        ("cancelled", EndKind.NOT_STARTED, "The start was canceled"),
        (
            "The container could not be started: no\nsuch device.",
            EndKind.NOT_STARTED,
            "The start failed: no\nsuch device",
        ),
        (
            "its user is not in the Hub any more",
            EndKind.ACCOUNT_GONE,
            "The account was removed",
        ),
        ("its lease is over.", EndKind.OTHER, "Its lease is over"),
    ],
)
def test_a_reason_is_a_phrase_that_people_understand(reason, kind, text) -> None:
    found = explain(ended(reason))
    assert (found.kind, found.text) == (kind, text)


def test_what_readers_did_themselves_is_called_so() -> None:
    assert explain(ended(RELEASED_BY_USER), "ada").text == "Stopped by you"
    assert explain(ended(released_by("admin")), "admin").text == "Stopped by you"
    assert explain(ended(released_by("admin")), "ada").text == "Stopped by admin"


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (4, "4 h limit reached"),
        (1.5, "1.5 h limit reached"),
        (0.01, "Limit of 36 seconds reached"),
    ],
)
def test_the_limit_that_ended_a_session_is_named(hours, text) -> None:
    lease = ended("its time was up", expires_at=1000.0 + hours * HOUR)
    assert explain(lease).text == text


def test_a_session_whose_limit_was_lifted_meanwhile_still_has_a_reason() -> None:
    assert explain(ended("its time was up", expires_at=None)).text == "Time limit reached"
