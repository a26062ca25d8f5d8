"""The first hour of an administrator, and of a manager of a group."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from browser.journeys import names
from browser.journeys.conftest import SESSIONS, JourneyLab
from browser.journeys.pages import dialog, go, set_gpus_at_once, sign_in
from browser.person import PASSWORD
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator

    from browser.journeys.recorder import Journey


IN_GROUP = re.compile("^(mia|bob)vision$")


@pytest.fixture
def fresh_lab(new_journey_lab: Callable[..., JourneyLab]) -> JourneyLab:
    """A lab in which nobody has signed in yet."""
    return new_journey_lab(2)


@pytest.fixture
def managed_lab(new_journey_lab: Callable[..., JourneyLab]) -> JourneyLab:
    """A lab with a group, which mia manages, in which bob is, and eve is not."""
    lab = new_journey_lab(1, ADMIN_PASSWORD=PASSWORD)
    for name in ("mia", "bob", "eve"):
        lab.member(name)
    lab.set_up("PUT", "groups/vision")
    for name in ("mia", "bob"):
        lab.set_up("PUT", f"groups/vision/members/{name}")
    lab.set_up("PUT", "groups/vision/managers/mia")
    lab.set_up("PUT", "quotas/groups/vision", json={"max_gpus": 2})
    return lab


def test_an_administrator_sets_up_a_lab_and_looks_after_it(fresh_lab, travel):
    lab, journey = fresh_lab, travel("administrator")
    page = journey.page
    for name in ("ada", "bob"):
        lab.sign_up(name)

    with journey.step("Sign in for the first time, and choose a password"):
        one_time = (lab.hub.state / "admin-password").read_text().strip()
        journey.open(lab.url)
        sign_in(journey, "admin", one_time)
        journey.fill(page.locator("#old_password_input"), one_time)
        journey.fill(page.locator("#new_password_input"), PASSWORD)
        journey.fill(page.locator("#new_password_confirmation_input"), PASSWORD)
        journey.click(page.locator("#signup_submit"))
        journey.click(page.locator("#login-main a.btn"))
        expect(page.get_by_role("heading", name=names.MY_GPUS)).to_be_visible()

    with journey.step("Approve two sign-ups"):
        go(journey, "accounts")
        for name in ("ada", "bob"):
            journey.click(account(journey, name).get_by_role("button").first)
            expect(page.locator(f"#gpudock-members #{name}")).to_be_visible()

    with journey.step("Make somebody administrator"):
        manage(journey, "ada", "admin")
        expect(account(journey, "ada")).to_contain_text(names.ADMINISTRATOR)

    with journey.step("Create accounts for a class"):
        journey.click(page.locator("a[href*='bulk?action=create']"))
        journey.fill(page.locator("#names"), "gwen\nhal")
        journey.click(page.get_by_role("button", name=names.PREVIEW))
        journey.click(page.get_by_role("button", name=names.CREATE))
        expect(page.get_by_role("alert")).to_have_text(names.CREATED_2)
        with page.expect_download():
            journey.click(page.locator("#gpudock-download"))

    bob = lab.member("bob")
    lab.set_up("PUT", "quotas/default", json=SESSIONS)
    with journey.step("Set a user's quota, with a preview"):
        go(journey, "quotas")
        set_gpus_at_once(journey, "bob", "2")
        expect(dialog(journey)).to_contain_text(names.NO_SESSION_EXCEEDS)
        journey.click(dialog(journey).get_by_role("button", name=names.SAVE))
        expect(dialog(journey)).to_have_count(0)
        expect(page.get_by_role("button", name=names.limit_of("bob"))).to_have_text("2")

    with journey.step("Create a group with a member who manages it"):
        journey.click(page.get_by_role("button", name=names.GROUPS))
        journey.click(page.get_by_role("button", name=names.NEW_GROUP))
        journey.fill(dialog(journey).get_by_role("textbox"), "vision")
        journey.click(dialog(journey).get_by_role("button", name=names.CREATE_GROUP))
        people = dialog(journey).get_by_role("region").first
        journey.fill(people.get_by_role("combobox"), "bob")
        journey.click(people.get_by_role("button", name=names.ADD))
        journey.click(people.get_by_role("button", name=names.MAKE_MANAGER))
        expect(people.get_by_role("row", name="bob")).to_have_text(names.MANAGER)
        journey.click(dialog(journey).get_by_role("button", name=names.CLOSE))

    with journey.step("Take a GPU out of service, and return it"):
        go(journey, "lab")
        for button, state in (
            (names.DRAIN, names.DRAINING),
            (names.RETURN_TO_SERVICE, names.FREE),
        ):
            journey.click(gpu(journey, 0).get_by_role("button"))
            journey.click(dialog(journey).get_by_role("button", name=button))
            expect(gpu(journey, 0)).to_have_text(state)

    bob.start_server(gpus=1)
    with journey.step("Stop a user's server"):
        holder = page.get_by_role("article").filter(has_text="bob")
        journey.click(holder.get_by_role("button"))
        sessions = dialog(journey).get_by_role("listitem")
        journey.click(sessions.get_by_role("button", name=names.STOP_SERVER))
        journey.click(sessions.get_by_role("button", name=names.STOP_SERVER))
        expect(holder).to_have_count(0)
    wait_for(lambda: not lab.hub.leases(), "the session has ended")

    with journey.step("Read on Sessions why it ended"):
        go(journey, "sessions")
        row = page.get_by_role("row").filter(has_text="bob")
        expect(row).to_contain_text(names.STOPPED_BY_ADMIN)

    with journey.step("Find it in Audit"):
        go(journey, "audit")
        row = page.get_by_role("row").filter(has_text=names.STOPPED_A_SERVER)
        expect(row).to_contain_text("bob")

    student: Journey = travel("student-deactivated")
    student.open(lab.url)
    sign_in(student, "bob")
    expect(student.page.locator("#gpudock-outlook")).to_be_visible()
    go(student, "mine")
    expect(student.page.get_by_text(names.NO_GPU)).to_be_visible()
    with journey.step("Deactivate an account"):
        go(journey, "accounts")
        manage(journey, "bob", "deactivate")
        expect(page.locator("#gpudock-deactivated #bob")).to_contain_text(names.DEACTIVATED_BY)
    expect(student.page.get_by_role("alert")).to_contain_text(names.LOST_ACCESS)
    student.page.reload()
    expect(student.page.locator("#login_submit")).to_be_visible()

    with journey.step("Delete an account with its workspace"):
        journey.click(page.locator("#gpudock-deactivated #bob a[href*='accounts/delete/']"))
        journey.click(page.locator("#option"))
        confirm(journey, "delete")
        expect(page.locator("#bob")).to_have_count(0)
    assert "gpudock-workspace-bob" not in lab.hub.docker.volumes
    journey.finish(clicks=41, fields=10, keys=1)


def test_a_manager_sets_limits_of_members_within_those_of_the_group(managed_lab, travel):
    journey: Journey = travel("manager")
    page = journey.page

    with journey.step("Sign in, and see the members of the group only"):
        journey.open(managed_lab.url)
        sign_in(journey, "mia")
        go(journey, "quotas")
        expect(page.locator("td.gd-name")).to_have_text([IN_GROUP, IN_GROUP])
        expect(page.locator("main")).not_to_contain_text("eve")

    with journey.step("Give a member as many GPUs as the group may have"):
        set_gpus_at_once(journey, "bob", "2")
        journey.click(dialog(journey).get_by_role("button", name=names.SAVE))
        expect(dialog(journey)).to_have_count(0)
        expect(page.get_by_role("button", name=names.limit_of("bob"))).to_have_text("2")

    with journey.step("Read why more is refused, and go back"):
        set_gpus_at_once(journey, "bob", "3")
        expect(dialog(journey).get_by_role("alert")).to_have_text(names.BEYOND_GROUP)
        expect(dialog(journey).get_by_role("button", name=names.SAVE)).to_be_disabled()
        journey.click(dialog(journey).get_by_role("button", name=names.KEEP))
    journey.finish(clicks=8, fields=5, keys=2)


def account(journey: Journey, name: str) -> Locator:
    """Return an account's line on the Accounts page."""
    return journey.page.locator(f"li#{name}")


def manage(journey: Journey, name: str, what: str) -> None:
    """Choose an entry of an account's menu on the Accounts page, and confirm it."""
    line = account(journey, name)
    journey.click(line.locator("[data-bs-toggle=dropdown]"))
    journey.click(line.locator(f"a[href*='accounts/{what}/']"))
    confirm(journey, what)


def confirm(journey: Journey, what: str) -> None:
    """Press the button of the page that asks before an account is changed."""
    journey.click(journey.page.locator(f"form[action*='accounts/{what}/'] button"))


def gpu(journey: Journey, index: int) -> Locator:
    """Return a GPU on the Lab page."""
    return journey.page.get_by_role("article", name=f"GPU {index}")
