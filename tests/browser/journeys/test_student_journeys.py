"""A student's first hour: from the sign-up to the reason why the server ended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from browser.journeys import names
from browser.journeys.conftest import SESSIONS, JourneyLab
from browser.journeys.pages import card, go, sign_in, start_server, stop_server
from browser.journeys.recorder import Hand, Journey
from browser.person import PASSWORD
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Locator

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
LOOKS: dict[str, dict[str, Any]] = {
    "laptop": {},
    "phone": {"hand": Hand.FINGER, **PHONE},
    "dark": {"color_scheme": "dark"},
    "keyboard": {"hand": Hand.KEYBOARD},
    "chinese": {"locale": "zh-CN"},
}


@pytest.fixture(scope="module")
def small_lab(new_journey_lab: Callable[..., JourneyLab]) -> JourneyLab:
    made = new_journey_lab(1, ADMIN_PASSWORD=PASSWORD)
    made.set_up("PUT", "quotas/default", json=SESSIONS)
    return made


@pytest.fixture
def free_lab(small_lab: JourneyLab) -> Iterator[JourneyLab]:
    """A lab with one GPU, which each journey leaves free."""
    yield small_lab
    small_lab.clean_up()


@pytest.mark.parametrize("look", LOOKS)
def test_a_student_gets_a_gpu_and_gives_it_back(free_lab, travel, look):
    journey: Journey = travel(f"student-{look}", **LOOKS[look])
    page, name = journey.page, f"ada-{look}"

    with journey.step("Open the lab and sign up"):
        journey.open(free_lab.url)
        journey.click(page.locator("a[href$='/hub/signup']"))
        journey.fill(page.locator("#username_input"), name)
        journey.fill(page.locator("#password_input"), PASSWORD)
        journey.fill(page.locator("#password_confirmation_input"), PASSWORD)
        journey.click(page.locator("#signup_submit"))
        expect(page.get_by_role("alert").filter(has_text=names.NEEDS_APPROVAL)).to_be_visible()

    with journey.step("Try to sign in, and read that an administrator has to approve"):
        journey.click(page.locator("#login-main a[href$='/hub/login']"))
        sign_in(journey, name)
        expect(page.locator(".login_error")).to_have_text(names.NOT_APPROVED)

    free_lab.approve(name)
    with journey.step("Sign in"):
        sign_in(journey, name)
        expect(page.locator("#gpudock-outlook")).to_be_visible()

    with journey.step("Choose one GPU, start, and reach the server"):
        start_server(journey, gpus=1)
        page.wait_for_url(f"**/user/{name}/**")

    with journey.step("Open My GPUs"):
        # Where "File, Hub Control Panel" of JupyterLab leads to.
        journey.open(f"{free_lab.url}/hub/home")
        expect(page.get_by_role("heading", name=names.MY_GPUS)).to_be_visible()
        expect(card(journey)).to_contain_text(names.RUNNING)

    with journey.step("Extend the session"):
        timer = card(journey).get_by_role("timer")
        expect(timer).to_have_text(hours(1, 2))
        journey.click(card(journey).get_by_role("button", name=names.EXTEND))
        expect(timer).to_have_text(hours(3, 4))

    with journey.step("Stop the server"):
        stop_server(journey)

    with journey.step("Read why it ended"):
        expect(past_sessions(journey)).to_have_text([names.STOPPED_BY_YOU])
    assert not free_lab.hub.leases()


def past_sessions(journey: Journey) -> Locator:
    """Return why each session has ended."""
    return journey.page.locator("[aria-labelledby=gd-past] tbody td:last-child")


def hours(*either: int) -> re.Pattern[str]:
    """Match a duration that begins with one of these numbers of hours."""
    return re.compile(f"^({'|'.join(map(str, either))})\\D")
