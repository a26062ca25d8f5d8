"""The Hub's pages in a browser: accounts, waiting, canceling, and errors.

The hub is real. The engine is a fake (see :mod:`doubles.docker`), so every state can be produced
quickly. The whole lab is in ``test_lab.py``.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, expect

from browser.panel_page import until
from browser.person import PASSWORD, Person
from doubles.docker import LAST_WORDS
from gpudock.model import GPU, GPUReading, Telemetry
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page, Route

    from harness.hub_process import HubProcess

GPU_A = GPUReading(
    GPU("GPU-0a100000-0000-4000-8000-000000000000", 0, "host", "NVIDIA A100-SXM4-40GB", 40960),
    Telemetry(processes=()),
)
ADMIN_PASSWORD = "a-password-of-ones-own"


@pytest.fixture(scope="module")
def hub(new_hub: Callable[..., HubProcess]) -> HubProcess:
    """A hub with one GPU, and with native accounts."""
    return new_hub(GPU_A, AUTHENTICATOR="native", ALLOW_ANYONE="no")


@pytest.fixture(scope="module")
def admin(hub: HubProcess, resident: Callable[..., Person]) -> Person:
    """The first administrator, with their own password."""
    admin = resident("admin", hub.url)
    admin.password = (hub.state / "admin-password").read_text().strip()
    admin.fill_in_sign_in()
    admin.page.wait_for_url("**/hub/change-password")
    admin.change_password(ADMIN_PASSWORD)
    expect(admin.page.get_by_role("alert")).to_contain_text("changed successfully")
    return admin


@pytest.fixture
def member(
    hub: HubProcess, admin: Person, newcomer: Callable[..., Person]
) -> Callable[[str], Person]:
    """Sign a user up, approve the account, and sign the user in."""

    def make(name: str) -> Person:
        person = newcomer(name, hub.url)
        person.sign_up()
        admin.approve(name)
        person.sign_in()
        return person

    return make


@pytest.fixture
def busy(hub: HubProcess, admin: Person) -> Iterator[HubProcess]:
    """A hub whose only GPU is in use. Cleaned up afterwards."""
    owner = hub.client("admin", admin.password)
    owner.start_server()
    yield hub
    owner.delete_servers()
    wait_for(lambda: not hub.leases() and not hub.queue(), "nothing runs and nobody waits")


def test_the_one_time_password_must_be_changed(hub, admin, newcomer):
    again = newcomer("admin", hub.url)
    again.password = admin.password
    again.sign_in()
    expect(again.page).not_to_have_url(re.compile("change-password"))


def test_a_new_user_can_sign_in_after_an_administrator_approves(hub, admin, newcomer):
    ada = newcomer("ada", hub.url)
    ada.sign_up()
    ada.fill_in_sign_in()
    expect(ada.page.locator(".login_error")).to_contain_text("has not approved your account")
    admin.approve("ada")
    ada.sign_in()
    ada.open("/hub/home")
    expect(ada.page.get_by_role("link", name="Password")).to_be_visible()
    expect(ada.page.get_by_role("link", name="Accounts")).not_to_be_attached()


def test_users_can_be_approved_from_a_browser_that_sends_no_origin(hub, admin, newcomer):
    """Browsers send no Sec-Fetch headers to a plain http:// address that is not this machine's."""

    def without_origin(route: Route) -> None:
        headers = route.request.all_headers()
        route.continue_(headers={k: v for k, v in headers.items() if "sec-fetch" not in k})

    newcomer("bea", hub.url).sign_up()
    admin.page.route("**/hub/authorize/**", without_origin)
    admin.approve("bea")
    admin.page.unroute("**/hub/authorize/**")


def test_a_start_that_is_slow_to_stop_is_stopped_with_one_click(hub, member):
    """The Hub allows a second for it, and then responds with an error."""
    eve = member("eve")
    with hub.docker.hold("start", name="-eve-") as start:
        eve.fill_in_form(1)
        eve.start_button.click()
        start.wait()
        with hub.docker.hold("remove", name="-eve-") as remove:
            stop = eve.page.get_by_role("button", name="Stop starting")
            with eve.page.expect_response(lambda answer: answer.status == 500):
                stop.click()
            remove.wait()
            expect(stop).to_be_disabled()
            expect(eve.page.get_by_role("alert")).to_be_hidden()
    eve.page.wait_for_url("**/hub/home")
    wait_for(lambda: not hub.leases() and not hub.docker.servers, "nothing is left")


@pytest.mark.parametrize("name", ["../x", "{0}", "ü" * 200])
def test_an_invalid_name_is_rejected_and_can_be_corrected(hub, newcomer, name):
    someone = newcomer(name, hub.url)
    someone.open("/hub/signup")
    someone.fill_in_sign_up(name, PASSWORD)
    expect(someone.page.get_by_role("alert")).to_contain_text("A user name has 1 to 64 characters")
    expect(someone.page.get_by_label("User name")).to_have_value(name)


def test_an_invalid_option_is_shown_on_the_form(member):
    carl = member("carl")
    carl.open("/hub/spawn?opt-gpus=-3")
    problem = carl.page.locator(".spawn-error-msg")
    expect(problem).to_have_text('Error: "-3" is not a number of GPUs. Give a whole number from 0 '
                                 "to 1024; 0 starts a server without a GPU.")  # fmt: skip
    expect(carl.start_button).to_be_visible()


def test_a_waiting_user_can_stop_waiting(busy, member):
    dora = member("dora")
    dora.fill_in_form(gpus=1)
    expect(dora.page.locator("#gpudock-summary")).to_contain_text("0 of 1 GPU is free")
    dora.start_button.click()
    expect(dora.page.locator("#progress-message")).to_contain_text(
        "You are number 1 of 1 in the queue. All matching GPUs are in use."
    )
    assert busy.queue() == ["dora"]
    dora.page.get_by_role("button", name="Leave the queue").click()
    dora.page.wait_for_url("**/hub/home")
    expect(dora.page.get_by_role("button", name="Start My Server")).to_be_visible()
    assert busy.queue() == []


def test_a_start_that_has_a_gpu_can_be_stopped(hub, admin, member):
    gwen = member("gwen")
    gwen.fill_in_form(gpus=1)
    with hub.docker.hold("start"):
        gwen.start_button.click()
        expect(gwen.page.locator("#progress-message")).to_contain_text("Starting your container")
        expect(gwen.page.get_by_role("button", name="Leave the queue")).to_have_count(0)
        expect(gwen.page.locator("#gpudock-stop-meaning")).to_contain_text("free for others")
        gwen.page.get_by_role("button", name="Stop starting").click()
    gwen.page.wait_for_url("**/hub/home")
    expect(gwen.page.get_by_role("button", name="Start My Server")).to_be_visible()
    wait_for(lambda: not hub.leases(), "the lease has ended")


def test_a_named_server_can_stop_waiting(busy, member):
    erin = member("erin")
    erin.open("/hub/spawn/erin/second")
    erin.start_button.click()
    expect(erin.page.locator("#progress-message")).to_contain_text("in the queue")
    assert busy.queue() == ["erin:second"]
    erin.page.get_by_role("button", name="Leave the queue").click()
    erin.page.wait_for_url("**/hub/home")
    assert busy.queue() == []


def test_the_waiting_page_survives_a_restart_of_the_hub(busy, member):
    fay = member("fay")
    fay.fill_in_form(gpus=1)
    fay.start_button.click()
    message = fay.page.locator("#progress-message")
    expect(message).to_contain_text("number 1 of 1")
    busy.kill()
    expect(
        fay.page.get_by_text("The Hub is not responding. Your position in the queue is kept")
    ).to_be_visible()
    busy.start()
    expect(message).to_contain_text("number 1 of 1", timeout=90_000)
    expect(fay.page.get_by_text("The Hub is not responding.")).not_to_be_visible()


def test_a_failed_start_is_explained(hub, member):
    gus = member("gus")
    gus.open("/hub/spawn")
    gus.page.get_by_label("Image").select_option(label="Dying")
    gus.start_button.click()
    expect(gus.page.get_by_text(LAST_WORDS)).to_be_visible()
    expect(gus.page.get_by_text("SpawnException")).not_to_be_visible()


def test_the_form_shows_that_the_engine_does_not_respond(hub, member):
    hal = member("hal")
    hub.docker.down()
    try:
        hub.kill()
        hub.start()
        hal.open("/hub/spawn")
        problem, outlook = hal.page.get_by_role("status").all()
        expect(problem).to_contain_text("Docker Engine")
        expect(outlook).to_have_text(
            "Your server starts when the GPUs are known and it is your turn."
        )
    finally:
        hub.docker.up()


def test_the_form_shows_that_a_lab_has_no_gpus(new_hub, newcomer):
    ida = newcomer("ida", new_hub().url)
    ida.sign_in()
    expect(ida.page.get_by_role("status")).to_contain_text("servers run on the CPU")
    expect(ida.page.get_by_label("Number of GPUs")).not_to_be_attached()
    expect(ida.start_button).to_be_visible()


def test_the_outlook_follows_the_form(busy, member):
    """By keyboard, and for screen readers; only the answer to the latest choice counts."""
    jane = member("jane")
    jane.open("/hub/spawn")
    page = jane.page
    outlook = page.locator("#gpudock-outlook")
    queue = page.get_by_role("radiogroup", name="If no matching GPU is free")
    expect(outlook).to_have_role("status")
    expect(outlook).to_contain_text("If you start now, you are number 1 in the queue.")
    number = page.get_by_label("Number of GPUs")
    number.press("ArrowUp")
    expect(outlook).to_have_text("Your server starts at once, without a GPU.")
    expect(queue).to_be_hidden()
    number.press("ArrowDown")
    expect(outlook).to_contain_text("you are number 1 in the queue")
    queue.get_by_role("radio", name="Do not start").check()
    expect(outlook).to_contain_text("Try again later, or choose to wait.")

    answers: list[Route] = []

    def hold(route: Route) -> None:
        answers.append(route)

    page.route("**/hub/gpudock/outlook**", hold)
    queue.get_by_role("radio", name="Start now without a GPU").check()
    await_requests(page, answers, 1)
    number.press("ArrowUp")
    await_requests(page, answers, 2)
    answers[1].continue_()
    expect(outlook).to_have_text("Your server starts at once, without a GPU.")
    late = {"kind": "refused", "text": "An answer to former choices."}
    with contextlib.suppress(Error):  # the page has given it up
        answers[0].fulfill(json=late)
    page.unroute("**/hub/gpudock/outlook**")
    page.evaluate("new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))")
    expect(outlook).to_have_text("Your server starts at once, without a GPU.")
    page.route("**/hub/gpudock/outlook**", lambda route: route.abort())
    number.press("ArrowDown")
    expect(outlook).to_contain_text("The Hub does not say what a start would come to.")


def await_requests(page: Page, answers: list[Route], count: int) -> None:
    until(page, lambda: len(answers) == count, f"{count} requests were sent")


def test_the_tab_shows_the_place_of_a_user_who_waits(busy, member):
    kim = member("kim")
    kim.fill_in_form(gpus=1)
    kim.start_button.click()
    expect(kim.page).to_have_title(re.compile(r"^\(1\) waiting – Your server is starting – "))
    kim.page.get_by_role("button", name="Leave the queue").click()
    kim.page.wait_for_url("**/hub/home")


NARROW = {"width": 390, "height": 844}
WIDER = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"


def test_no_page_of_the_hub_is_wider_than_a_phone(busy, admin, member):
    leo = member("leo")
    for person, pages in (
        (leo, ["home", "spawn", "spawn/leo/second", "token", "change-password", "nowhere"]),
        (admin, ["home", "admin", "authorize", "change-password/leo", "token"]),
    ):
        person.page.set_viewport_size(NARROW)
        for path in pages:
            person.open(f"/hub/{path}")
            assert_fits(person.page, path)
            expect(person.page.get_by_role("navigation", name="Main")).to_be_attached()
            keep_look(person.page, f"phone-{person.name}-{path.replace('/', '-')}")
    leo.open("/hub/user/leo/")
    assert_fits(leo.page, "not_running")
    leo.fill_in_form(gpus=1)
    leo.start_button.click()
    expect(leo.page.locator("#progress-message")).to_contain_text("in the queue")
    assert_fits(leo.page, "spawn-pending")
    keep_look(leo.page, "phone-spawn-pending")
    leo.page.get_by_role("button", name="Leave the queue").click()
    leo.page.wait_for_url("**/hub/home")
    leo.page.context.clear_cookies()
    for path in ("login", "signup"):
        leo.open(f"/hub/{path}")
        assert_fits(leo.page, path)
    admin.page.set_viewport_size({"width": 1280, "height": 800})


def assert_fits(page: Page, what: str) -> None:
    page.wait_for_load_state("networkidle")
    shown, window = page.evaluate(WIDER)
    assert shown <= window, f"{what} is {shown} pixels wide"


def keep_look(page: Page, name: str) -> None:
    """Save a picture of a page, if asked to."""
    if folder := os.environ.get("GPUDOCK_PANEL_PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
