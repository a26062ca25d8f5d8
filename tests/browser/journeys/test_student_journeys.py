"""A student's first hour: from the sign-up to the reason why the server ended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from browser.journeys import names
from browser.journeys.conftest import SESSIONS, JourneyLab
from browser.journeys.pages import card, dialog, go, sign_in, start_server, stop_server
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
    journey.finish(clicks=9, fields=8, keys=54)


def past_sessions(journey: Journey) -> Locator:
    """Return why each session has ended."""
    return journey.page.locator("[aria-labelledby=gd-past] tbody td:last-child")


def hours(*either: int) -> re.Pattern[str]:
    """Match a duration that begins with one of these numbers of hours."""
    return re.compile(f"^({'|'.join(map(str, either))})\\D")


def test_a_student_waits_for_a_gpu_and_leaves_the_queue(free_lab, travel):
    grace, ada = free_lab.member("grace"), free_lab.member("ada-waits")
    grace.start_server(gpus=1)
    journey: Journey = travel("student-waits")
    page = journey.page

    with journey.step("Sign in, and read how a start would go"):
        journey.open(free_lab.url)
        sign_in(journey, ada.name)
        expect(page.locator("#gpudock-outlook")).to_have_text(names.NUMBER_1)

    with journey.step("Start, and see the place in the queue"):
        start_server(journey, gpus=1)
        expect(page.locator("#progress-message")).to_have_text(names.NUMBER_1)
        expect(page).to_have_title(names.WAITING_TITLE)

    with journey.step("See it on My GPUs and in the tab's title"):
        go(journey, "mine")
        expect(card(journey)).to_contain_text(names.POSITION_1)
        expect(page).to_have_title(names.WAITING_TITLE)

    with journey.step("Get the GPU as soon as it is free"):
        grace.stop_server()
        expect(card(journey)).to_contain_text(names.RUNNING)
        expect(page).not_to_have_title(names.WAITING_TITLE)

    with journey.step("Stop the server"):
        stop_server(journey)

    wait_for(lambda: not free_lab.hub.leases(), "the GPU is free")
    grace.start_server(gpus=1)
    with journey.step("Start again, and wait again"):
        journey.click(page.locator("a[href$='/hub/spawn']").first)
        start_server(journey, gpus=1)
        expect(page.locator("#progress-message")).to_have_text(names.NUMBER_1)

    with journey.step("Leave the queue on My GPUs"):
        go(journey, "mine")
        journey.click(card(journey).get_by_role("button", name=names.LEAVE_QUEUE))
        journey.click(dialog(journey).get_by_role("button", name=names.LEAVE_QUEUE))
        expect(card(journey)).to_have_count(0)
        expect(page.get_by_text(names.NO_GPU)).to_be_visible()
    assert free_lab.hub.queue() == []
    journey.finish(clicks=12, fields=3)
