"""Every page of the Hub and of the desk can be used by everybody, by eye, finger, ear and keyboard.

Hub and desk are real. The engine is a fake (see :mod:`doubles.docker`). Its only GPU is always in
use, so that all outlooks of the spawn form can be produced.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from browser.accessibility import LOOKS, keyboard_problems, problems, tab_to
from browser.person import PASSWORD, Person
from doubles.docker import FakeDocker
from gpudock.model import GPU, GPUReading, Telemetry
from harness.desk_process import DeskProcess
from harness.hub_client import HubClient
from harness.hub_process import HubProcess
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Locator, Page

DESK = "/services/gpudock/"
READING = GPUReading(
    GPU("GPU-0a100000-0000-4000-8000-000000000000", 0, "host", "NVIDIA A100-SXM4-40GB", 40960),
    Telemetry(
        utilization_percent=37,
        memory_used_mib=512,
        temperature_c=51,
        power_w=120.0,
        power_limit_w=300.0,
        processes=(),
    ),
)
CONFIGURATION = """
from jupyterhub.handlers import BaseHandler

class Broken(BaseHandler):
    def get(self):
        raise RuntimeError("broken")

class LoggedOut(BaseHandler):
    async def get(self):
        self.finish(await self.render_template("logout.html"))

c.JupyterHub.extra_handlers.extend([(r"/broken", Broken), (r"/logged-out", LoggedOut)])
c.JupyterHub.load_groups = {"vision": {"users": []}, "leads": {"users": []}}
c.JupyterHub.load_roles.append(
    {"name": "lead", "scopes": ["custom:gpudock:manage!group=vision"], "groups": ["leads"]}
)
"""
# A page that reloads itself would do so while it is checked.
NO_RELOADS = """
const later = window.setTimeout;
window.setTimeout = (call, ms, ...rest) => (ms >= 1000 ? 0 : later(call, ms, ...rest));
"""
OWNER, MEMBER, LEAD = "owen", "mia", "lea"
ACTIVE = (
    "finn",
    "gwen",
    "hal",
    "ida",
    "jo",
    "kim",
    "leo",
    "a-rather-long-name-of-somebody@example.org",
)
STOP = re.compile("^Stop server")
BULK = "zoe\nadmin\nno name\n"


@dataclass
class Tour:
    """A lab with something on each of its pages.

    Attributes:
        newcomer: is not signed in.
        member: waits for no GPU, and has no server.
        lead: manages the quotas of a group.
        admin: has approved all others.
        during: ends with the test.
    """

    hub: HubProcess
    api: HubClient
    newcomer: Person
    member: Person
    lead: Person
    admin: Person
    member_api: HubClient
    during: ExitStack


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    directory = tmp_path_factory.mktemp("hub")
    docker = FakeDocker(directory, [READING])
    settings = {"AUTHENTICATOR": "native", "ADMIN_PASSWORD": PASSWORD, "ALLOW_ANYONE": "no"}
    hub = HubProcess(directory, docker, CONFIGURATION, **settings)
    yield hub.start()
    docker.close()
    hub.stop()


@pytest.fixture(scope="module")
def desk(hub: HubProcess) -> Iterator[DeskProcess]:
    desk = DeskProcess(hub).start()
    yield desk
    desk.close()


def account(hub: HubProcess, name: str) -> HubClient:
    client = HubClient(hub.url, name, PASSWORD)
    client.sign_up()
    hub.admin.authorize(name)
    return client


@pytest.fixture(scope="module")
def people(
    hub: HubProcess, resident: Callable[..., Person]
) -> tuple[HubProcess, HubClient, dict[str, Person], HubClient]:
    hub.admin = api = HubClient(hub.url, "admin", PASSWORD).sign_in()
    clients = {name: account(hub, name).sign_in() for name in (OWNER, MEMBER, LEAD)}
    form = {"action": "create", "confirmed": "yes", "names": "\n".join(ACTIVE)}
    api.http.post("/hub/accounts/bulk", data={"_xsrf": api._xsrf(), **form}).raise_for_status()
    HubClient(hub.url, "nina", PASSWORD).sign_up()
    for group, members in (("vision", [MEMBER, OWNER]), ("leads", [LEAD])):
        api.api("POST", f"/groups/{group}/users", {"users": members}).raise_for_status()
    api.change_account("accounts/admin", "kim").raise_for_status()
    api.change_account("accounts/deactivate", "leo").raise_for_status()
    clients[OWNER].start_server(gpus=1)
    persons = {}
    for name in (MEMBER, LEAD, "admin"):
        persons[name] = resident(name, hub.url)
        persons[name].fill_in_sign_in("?next=%2Fhub%2Ftoken")
        persons[name].page.wait_for_url("**/hub/token")
    return hub, api, persons, clients[MEMBER]


@pytest.fixture
def tour(people, newcomer: Callable[..., Person]) -> Iterator[Tour]:
    hub, api, persons, member_api = people
    with ExitStack() as during:
        vera = newcomer("vera", hub.url)
        yield Tour(
            hub, api, vera, persons[MEMBER], persons[LEAD], persons["admin"], member_api, during
        )
    for person in persons.values():
        person.page.unroute_all()


def clean_up(tour: Tour) -> None:
    for server in ("", "second"):
        if tour.member_api.server_model(server) is not None:
            tour.member_api.stop_server(server)


# Pages of the Hub. Each function opens one and returns it.

HUB_PAGES: dict[str, Callable[[Tour], Page]] = {}
DESK_PAGES: dict[str, Callable[[Tour], Page]] = {}


def of_hub(open_page: Callable[[Tour], Page]) -> Callable[[Tour], Page]:
    HUB_PAGES[open_page.__name__] = open_page
    return open_page


def of_desk(open_page: Callable[[Tour], Page]) -> Callable[[Tour], Page]:
    DESK_PAGES[open_page.__name__] = open_page
    return open_page


def plain(who: str, path: str) -> Callable[[Tour], Page]:
    """Return a function that opens a page that needs no preparation."""

    def open_page(tour: Tour) -> Page:
        person: Person = getattr(tour, who)
        person.open(path)
        return person.page

    return open_page


HUB_PAGES |= {
    "login": plain("newcomer", "/hub/login"),
    "signup": plain("newcomer", "/hub/signup"),
    # Where a sign-out does not lead to the sign-in page, as with OAuth.
    "logged_out": plain("newcomer", "/hub/logged-out"),
    "not_found_signed_out": plain("newcomer", "/hub/nowhere"),
    "spawn_form_with_an_error": plain("member", "/hub/spawn?opt-gpus=-3"),
    "spawn_form_of_a_named_server": plain("member", f"/hub/spawn/{MEMBER}/second"),
    "not_running": plain("member", f"/hub/user/{MEMBER}/"),
    "token": plain("member", "/hub/token"),
    "change_password": plain("member", "/hub/change-password"),
    "forbidden": plain("member", "/hub/admin"),
    "accounts_forbidden": plain("member", "/hub/authorize"),
    "not_found": plain("member", "/hub/nowhere"),
    "broken": plain("member", "/hub/broken"),
    "spawn_form_for_another_user": plain("admin", f"/hub/spawn/{MEMBER}"),
    "accounts": plain("admin", "/hub/authorize"),
    "set_password": plain("admin", f"/hub/change-password/{MEMBER}"),
    "make_administrator": plain("admin", f"/hub/accounts/admin/{MEMBER}"),
    "remove_administrator": plain("admin", "/hub/accounts/no-admin/kim"),
    "deactivate": plain("admin", f"/hub/accounts/deactivate/{MEMBER}"),
    "activate": plain("admin", "/hub/accounts/activate/leo"),
    "delete": plain("admin", "/hub/accounts/delete/leo"),
    "delete_refused": plain("admin", f"/hub/accounts/delete/{OWNER}"),
    "bulk_create": plain("admin", "/hub/accounts/bulk?action=create"),
    "bulk_reset": plain("admin", "/hub/accounts/bulk?action=reset"),
}


@of_hub
def login_failed(tour: Tour) -> Page:
    tour.newcomer.fill_in_sign_in()
    expect(tour.newcomer.page.locator(".login_error")).to_be_visible()
    return tour.newcomer.page


@of_hub
def signup_refused(tour: Tour) -> Page:
    tour.newcomer.open("/hub/signup")
    tour.newcomer.fill_in_sign_up("admin", PASSWORD)
    expect(tour.newcomer.page.get_by_role("alert")).to_be_visible()
    return tour.newcomer.page


@of_hub
def signup_done(tour: Tour) -> Page:
    tour.newcomer.sign_up()
    tour.api.change_account("discard", "vera").raise_for_status()
    return tour.newcomer.page


def outlook(tour: Tour, gpus: int, *, look: str) -> Locator:
    tour.member.fill_in_form(gpus)
    return tour.member.page.locator(f"#gpudock-outlook.alert-{look}")


@of_hub
def spawn_form_starts(tour: Tour) -> Page:
    expect(outlook(tour, 0, look="success")).to_be_visible()
    return tour.member.page


@of_hub
def spawn_form_waits(tour: Tour) -> Page:
    shown = outlook(tour, 1, look="info")
    # The form shows what was chosen last.
    tour.member.page.locator("#gpudock-busy-wait").check()
    expect(shown).to_be_visible()
    return tour.member.page


@of_hub
def spawn_form_refuses(tour: Tour) -> Page:
    shown = outlook(tour, 1, look="warning")
    tour.member.page.locator("#gpudock-busy-fail").check()
    expect(shown).to_be_visible()
    return tour.member.page


@of_hub
def spawn_form_without_an_outlook(tour: Tour) -> Page:
    tour.member.page.route("**/hub/gpudock/outlook**", lambda route: route.abort())
    expect(outlook(tour, 0, look="secondary")).to_be_visible()
    return tour.member.page


@of_hub
def spawn_refused(tour: Tour) -> Page:
    tour.member.fill_in_form(1)
    tour.member.page.locator("#gpudock-busy-fail").check()
    tour.member.start_button.click()
    expect(tour.member.page.locator(".spawn-error-msg")).to_be_visible()
    return tour.member.page


@of_hub
def waiting(tour: Tour) -> Page:
    tour.member.fill_in_form(1)
    tour.member.page.locator("#gpudock-busy-wait").check()
    tour.member.start_button.click()
    expect(tour.member.page.locator("#progress-message")).to_contain_text("in the queue")
    tour.member.page.locator("#progress-details summary").click()
    return tour.member.page


@of_hub
def starting(tour: Tour) -> Page:
    tour.during.enter_context(tour.hub.docker.hold("start", name=f"-{MEMBER}-"))
    tour.member.fill_in_form(0)
    tour.member.start_button.click()
    expect(tour.member.page.locator("#progress-message")).to_contain_text("container")
    return tour.member.page


@of_hub
def failed_start(tour: Tour) -> Page:
    tour.member.fill_in_form(0)
    tour.member.page.locator("#gpudock-image").select_option(label="Dying")
    tour.member.start_button.click()
    # On the waiting page, or on the form if the start fails before the answer to it.
    page = tour.member.page
    failed = page.locator("main, .container").get_by_role("alert")
    expect(failed.or_(page.locator(".spawn-error-msg"))).to_be_visible()
    return page


@of_hub
def stopping(tour: Tour) -> Page:
    tour.member_api.start_server(gpus=0)
    hold = tour.during.enter_context(tour.hub.docker.hold("stop", name=f"-{MEMBER}-"))
    page = tour.member.context.new_page()
    tour.during.callback(page.close)
    page.add_init_script(NO_RELOADS)
    tour.member_api.api("DELETE", f"/users/{MEMBER}/server").raise_for_status()
    hold.wait()
    page.goto(f"{tour.hub.url}/hub/spawn-pending/{MEMBER}")
    expect(page.locator("h1")).to_contain_text("stopping")
    return page


@of_hub
def home_without_a_desk(tour: Tour) -> Page:
    tour.member.open("/hub/home")
    expect(tour.member.page.get_by_role("button", name="Start My Server")).to_be_visible()
    return tour.member.page


@of_hub
def token_requested(tour: Tour) -> Page:
    tour.member.open("/hub/token")
    tour.member.page.wait_for_function("window._jupyterhub_page_loaded")
    tour.member.page.locator("#request-token-form button").click()
    expect(tour.member.page.locator("#token-result")).to_have_text(re.compile(r"\w{20,}"))
    return tour.member.page


@of_hub
def change_password_refused(tour: Tour) -> Page:
    tour.member.open("/hub/change-password")
    for field in ("old", "new"):
        tour.member.page.locator(f"[name={field}_password]").fill("wrong")
    tour.member.page.locator("[name=new_password_confirmation]").fill("other")
    tour.member.page.locator("#signup_submit").click()
    expect(tour.member.page.get_by_role("alert")).to_be_visible()
    return tour.member.page


@of_hub
def set_password_done(tour: Tour) -> Page:
    tour.admin.open("/hub/change-password/finn")
    for field in ("new_password", "new_password_confirmation"):
        tour.admin.page.locator(f"[name={field}]").fill(PASSWORD)
    tour.admin.page.locator("#signup_submit").click()
    expect(tour.admin.page.get_by_role("alert")).to_be_visible()
    return tour.admin.page


@of_hub
def accounts_menu(tour: Tour) -> Page:
    tour.admin.open("/hub/authorize")
    tour.admin.page.locator(f"#{MEMBER} .dropdown-toggle").click()
    expect(tour.admin.page.locator(f"#{MEMBER} .dropdown-menu")).to_be_visible()
    return tour.admin.page


@of_hub
def approve_with_files(tour: Tour) -> Page:
    tour.hub.docker.volumes["gpudock-workspace-nina"] = 4096
    tour.admin.open("/hub/authorize")
    tour.admin.page.locator("#nina button").first.click()
    expect(tour.admin.page.locator("#files-keep")).to_be_visible()
    return tour.admin.page


def bulk(tour: Tour, action: str, names: str) -> Page:
    tour.admin.open(f"/hub/accounts/bulk?action={action}")
    tour.admin.page.locator("#names").fill(names)
    tour.admin.page.locator("form[enctype] button").click()
    return tour.admin.page


@of_hub
def bulk_create_preview(tour: Tour) -> Page:
    page = bulk(tour, "create", BULK)
    expect(page.locator("#gpudock-preview")).to_be_visible()
    return page


@of_hub
def bulk_create_refused(tour: Tour) -> Page:
    page = bulk(tour, "create", "")
    expect(page.get_by_role("alert")).to_be_visible()
    return page


@of_hub
def bulk_reset_preview(tour: Tour) -> Page:
    page = bulk(tour, "reset", "hal\nida\nnobody\n")
    expect(page.locator("#gpudock-preview")).to_be_visible()
    return page


@of_hub
def bulk_reset_done(tour: Tour) -> Page:
    page = bulk(tour, "reset", "hal\nida\n")
    page.locator("#gpudock-apply button").click()
    expect(page.locator("#gpudock-made")).to_be_visible()
    return page


@of_hub
def admin_page(tour: Tour) -> Page:
    tour.admin.open("/hub/admin")
    expect(tour.admin.page.get_by_test_id(f"user-name-div-{MEMBER}")).to_be_visible()
    return tour.admin.page


@of_hub
def admin_page_of_a_user(tour: Tour) -> Page:
    page = admin_page(tour)
    page.get_by_role("button", name="Edit User").first.click()
    expect(page.get_by_role("heading", name=re.compile("Editing user"))).to_be_visible()
    return page


@of_hub
def admin_page_of_groups(tour: Tour) -> Page:
    page = admin_page(tour)
    page.get_by_role("button", name="Manage Groups").click()
    expect(page.get_by_role("link", name=re.compile("vision"))).to_be_visible()
    return page


@of_hub
def admin_page_of_a_group(tour: Tour) -> Page:
    page = admin_page_of_groups(tour)
    page.get_by_role("link", name=re.compile("vision")).click()
    expect(page.get_by_test_id("username-input")).to_be_visible()
    return page


@of_hub
def admin_page_of_a_new_group(tour: Tour) -> Page:
    page = admin_page_of_groups(tour)
    page.get_by_role("button", name="New Group").click()
    expect(page.get_by_test_id("group-input")).to_be_visible()
    return page


# Pages of the desk.


def section(who: str, path: str) -> Callable[[Tour], Page]:
    """Return a function that opens a section of the desk as somebody."""

    def open_page(tour: Tour) -> Page:
        person: Person = getattr(tour, who)
        person.open(f"{DESK}{path}")
        expect(person.page.locator("#gpudock-desk .gd-page h1")).to_be_visible()
        expect(person.page.locator("#gpudock-desk .spinner-border")).to_have_count(0)
        return person.page

    return open_page


DESK_PAGES |= {
    "mine_without_a_server": section("member", ""),
    "lab_of_a_member": section("member", "lab"),
    "usage_of_a_member": section("member", "usage"),
    "desk_forbidden": plain("member", f"{DESK}audit"),
    "desk_not_found": plain("member", f"{DESK}nowhere"),
    "quotas_of_a_lead": section("lead", "quotas"),
    "sessions_of_a_lead": section("lead", "sessions"),
    "usage_of_a_lead": section("lead", "usage"),
    "lab": section("admin", "lab"),
    "quotas": section("admin", "quotas"),
    "quotas_of_groups": section("admin", "quotas?level=group"),
    "usage": section("admin", "usage"),
    "sessions": section("admin", "sessions"),
    "audit": section("admin", "audit"),
}


@of_desk
def mine_with_servers(tour: Tour) -> Page:
    tour.member_api.start_server(gpus=0)
    tour.member_api.ask_for_server("second", gpus=1)
    wait_for(lambda: tour.hub.queue() == [f"{MEMBER}:second"], "the second server waits")
    page = section("member", "")(tour)
    expect(page.get_by_role("article")).to_have_count(2)
    return page


@of_desk
def stop_dialog(tour: Tour) -> Page:
    tour.member_api.start_server(gpus=0)
    page = section("member", "")(tour)
    page.get_by_role("article").get_by_role("button", name=STOP).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    return page


@of_desk
def lab_menu(tour: Tour) -> Page:
    page = section("admin", "lab")(tour)
    page.locator(".gd-manage").first.click()
    expect(page.get_by_role("dialog").or_(page.locator(".dropdown-menu.show"))).to_be_visible()
    return page


@of_desk
def quotas_drawer(tour: Tour) -> Page:
    page = section("admin", "quotas")(tour)
    page.get_by_role("button", name=f"Details of {MEMBER}").click()
    expect(page.get_by_role("dialog").get_by_role("table")).to_be_visible()
    return page


@of_desk
def quotas_dialog(tour: Tour) -> Page:
    page = section("admin", "quotas")(tour)
    page.get_by_role("button", name=re.compile(f"^GPUs at once of {MEMBER}:")).press("Enter")
    editor = page.get_by_role("textbox", name=f"GPUs at once of {MEMBER}")
    editor.fill("3")
    editor.press("Enter")
    page.locator(".gd-savebar .btn-primary").click()
    expect(page.get_by_role("dialog").get_by_role("status")).to_be_visible()
    return page


# The tests of the Hub come first: its own home page is shown only as long as there is no desk.


@pytest.mark.parametrize("name", HUB_PAGES)
def test_every_page_of_the_hub_is_accessible(tour, name):
    assert_accessible(tour, HUB_PAGES, name)


def test_servers_are_stopped_by_keyboard_where_the_desk_is_down(tour):
    tour.during.callback(clean_up, tour)
    tour.member_api.start_server(gpus=0)
    tour.member.open("/hub/home")
    page = tour.member.page
    page.wait_for_function("window._jupyterhub_page_loaded")
    tab_to(page, page.locator("#stop"))
    page.keyboard.press("Enter")
    wait_for(lambda: tour.member_api.server_model() is None, "the server is gone")


@pytest.mark.parametrize("name", DESK_PAGES)
def test_every_page_of_the_desk_is_accessible(desk, tour, name):
    for person in (tour.member, tour.lead, tour.admin):
        person.url = desk.url
    assert_accessible(tour, DESK_PAGES, name)


def assert_accessible(tour: Tour, pages: dict[str, Callable[[Tour], Page]], name: str) -> None:
    tour.during.callback(clean_up, tour)
    page = pages[name](tour)
    keep_looks(page, name)
    found = problems(page) + keyboard_problems(page)
    assert not found, f"{name} ({page.url}):\n" + "\n".join(found)


def keep_looks(page: Page, name: str) -> None:
    """Save pictures of a page in all looks, if asked to."""
    folder = os.environ.get("GPUDOCK_PANEL_PICTURES")
    for scheme, window in LOOKS if folder else ():
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(window)
        path = f"{folder}/{name}-{scheme}-{window['width']}.png"
        page.screenshot(path=path, full_page=True)


# With the keyboard alone.


def test_a_student_signs_in_starts_and_stops_by_keyboard(desk, tour, newcomer):
    tour.during.callback(clean_up, tour)
    student = newcomer(MEMBER, desk.url)
    page, press = student.page, student.page.keyboard.press
    student.open("/hub/login?next=%2Fhub%2Fhome")
    expect(page.locator("#username_input")).to_be_focused()
    page.keyboard.type(MEMBER)
    tab_to(page, page.locator("#password_input"))
    page.keyboard.type(PASSWORD)
    press("Enter")
    page.wait_for_url(f"**{DESK}")
    start = page.locator("#main a[href$='/hub/spawn']").first
    expect(start).to_be_visible()
    tab_to(page, start)
    press("Enter")
    page.wait_for_url("**/hub/spawn")
    number = page.locator("#gpudock-gpus")
    tab_to(page, number)
    press("Home")
    expect(number).to_have_value("0")
    tab_to(page, page.locator("#spawn_form button[type=submit]"))
    press("Enter")
    page.wait_for_url(f"**/user/{MEMBER}/**")

    student.open(DESK)
    stop = page.get_by_role("article").get_by_role("button", name=STOP)
    expect(stop).to_be_visible()
    tab_to(page, stop)
    press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(dialog.locator(":focus")).to_have_count(1)
    press("Escape")
    expect(dialog).to_have_count(0)
    expect(stop).to_be_focused()
    press("Enter")
    expect(dialog).to_be_visible()
    outside = page.locator("#main :focus, nav :focus").and_(page.locator(":not(dialog *, dialog)"))
    for _ in range(8):
        press("Tab")
        expect(outside).to_have_count(0)
    tab_to(page, dialog.locator(".btn-danger"))
    press("Enter")
    expect(
        page.get_by_text("Session ended.").or_(page.get_by_text("Server stopped")).first
    ).to_be_visible()
    wait_for(lambda: tour.member_api.server_model() is None, "the server is gone")


def test_accounts_are_managed_by_keyboard(tour):
    page, press = tour.admin.page, tour.admin.page.keyboard.press
    tour.admin.open("/hub/authorize")
    toggle = page.locator(f"#{MEMBER} .dropdown-toggle")
    menu = page.locator(f"#{MEMBER} .dropdown-menu")
    tab_to(page, toggle)
    press("Enter")
    expect(menu).to_be_visible()
    press("ArrowDown")
    expect(menu.locator("a").first).to_be_focused()
    press("Escape")
    expect(menu).to_be_hidden()
    expect(toggle).to_be_focused()
    press("Enter")
    tab_to(page, menu.locator("a[href*='/accounts/deactivate/']"))
    press("Enter")
    page.wait_for_url("**/accounts/deactivate/**")
    tab_to(page, page.locator("#option"))
    press("Space")
    expect(page.locator("#option")).not_to_be_checked()
    tab_to(page, page.locator("a.btn[href$='/authorize']"))
    press("Enter")
    page.wait_for_url("**/hub/authorize")
    create = page.locator("a[href*='bulk?action=create']")
    tab_to(page, create)
    press("Enter")
    names = page.locator("#names")
    tab_to(page, names)
    page.keyboard.type("zoe")
    tab_to(page, page.locator("form[enctype] button"))
    press("Enter")
    expect(page.locator("#gpudock-preview")).to_be_visible()
