"""Every button of the Hub's own pages and of the Accounts page, as an administrator uses them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from browser.person import PASSWORD, Person
from gpudock.model import GPU, GPUReading, Telemetry
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator

    from harness.hub_process import HubProcess

ADMIN_PASSWORD = "a-password-of-ones-own"
READING = GPUReading(
    GPU("GPU-0a100000-0000-4000-8000-000000000000", 0, "host", "NVIDIA A100-SXM4-40GB", 40960),
    Telemetry(processes=()),
)


@pytest.fixture(scope="module")
def hub(new_hub: Callable[..., HubProcess]) -> HubProcess:
    return new_hub(READING, AUTHENTICATOR="native", ADMIN_PASSWORD=ADMIN_PASSWORD)


@pytest.fixture(scope="module")
def admin(hub: HubProcess, resident: Callable[..., Person]) -> Person:
    admin = resident("admin", hub.url)
    admin.password = ADMIN_PASSWORD
    admin.sign_in()
    return admin


@pytest.fixture
def member(hub: HubProcess, admin: Person) -> Callable[[str], object]:
    """Make a user with an account, who signs in without a browser."""

    def make(name: str) -> object:
        user = hub.client("admin", ADMIN_PASSWORD)
        other = type(user)(hub.url, name, PASSWORD)
        other.sign_up()
        user.authorize(name)
        return other.sign_in()

    return make


def row(admin: Person, name: str) -> Locator:
    """Return a user's row on the Admin page."""
    cell = admin.page.get_by_test_id(f"user-name-div-{name}")
    return admin.page.locator("tr", has=cell)


def edit(admin: Person, name: str) -> None:
    admin.open("/hub/admin")
    row(admin, name).get_by_role("button", name="Edit User").click()
    expect(admin.page.get_by_role("heading", name=f"Editing user {name}")).to_be_visible()


def is_admin(hub: HubProcess, name: str) -> bool:
    users = hub.client("admin", ADMIN_PASSWORD).api("GET", "/users").json()
    return {user["name"]: user["admin"] for user in users}[name]


def test_the_admin_page_makes_administrators(hub, admin, member):
    member("ada")
    edit(admin, "ada")
    expect(admin.page.get_by_test_id("edit-username-input")).to_be_hidden()
    admin.page.locator("#admin-check").check()
    admin.page.get_by_role("button", name="Apply").click()
    expect(row(admin, "ada")).to_be_visible()
    assert is_admin(hub, "ada")
    edit(admin, "ada")
    admin.page.locator("#admin-check").uncheck()
    admin.page.get_by_role("button", name="Apply").click()
    expect(row(admin, "ada")).to_be_visible()
    assert not is_admin(hub, "ada")
    edit(admin, "admin")
    admin.page.locator("#admin-check").uncheck()
    admin.page.get_by_role("button", name="Apply").click()
    expect(admin.page.locator("#gpudock-problem")).to_contain_text("your own administrator rights")
    assert is_admin(hub, "admin")


def test_the_admin_page_hides_what_contradicts_the_lab(admin, member):
    member("bea")
    admin.open("/hub/admin")
    expect(row(admin, "bea")).to_be_visible()
    for name in ("Start All", "Start Server", "Shutdown Hub", "Add Users"):
        expect(admin.page.get_by_role("button", name=name)).to_have_count(0)
    expect(row(admin, "bea").get_by_role("button", name="Spawn Page")).to_be_visible()


def test_the_admin_page_searches(admin, member):
    member("quentin")
    member("rosa")
    admin.open("/hub/admin")
    admin.page.get_by_label("Search Users").fill("quen")
    expect(row(admin, "rosa")).to_have_count(0)
    expect(row(admin, "quentin")).to_be_visible()
    # The page follows its address, which the click changes: the box is checked a moment later.
    admin.page.get_by_label("Only Active Servers").click()
    expect(admin.page.get_by_label("Only Active Servers")).to_be_checked()
    expect(row(admin, "quentin")).to_have_count(0)


def test_the_admin_page_starts_stops_and_deletes_with_a_question(hub, admin, member):
    cleo = member("cleo")
    admin.open("/hub/admin")
    row(admin, "cleo").get_by_role("button", name="Spawn Page").click()
    admin.page.get_by_label("Number of GPUs").select_option("1")
    admin.start_button.click()
    wait_for(lambda: cleo.server_model() is not None, "the server runs")
    wait_for(lambda: hub.leases()["cleo"].container_id is not None, "it has a container")
    # An administrator does not delete a user whose server has a GPU.
    edit(admin, "cleo")
    admin.page.once("dialog", lambda dialog: dialog.accept())
    admin.page.get_by_role("button", name="Delete user").click()
    expect(admin.page.locator("#gpudock-problem")).to_contain_text('"cleo" has a running server')
    admin.open("/hub/admin")
    expect(row(admin, "cleo").get_by_role("button", name="Access Server")).to_be_visible()
    asked: list[str] = []

    def refuse(dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    for name in ("Stop Server", "Stop All"):
        admin.page.once("dialog", refuse)
        admin.page.get_by_role("button", name=name).first.click()
    assert [question.split("?")[0] for question in asked] == [
        "Stop this server",
        "Stop all servers on this page",
    ]
    assert "cleo" in hub.leases()
    admin.page.once("dialog", lambda dialog: dialog.accept())
    row(admin, "cleo").get_by_role("button", name="Stop Server").click()
    wait_for(lambda: not hub.leases(), "the GPU is free")
    edit(admin, "cleo")
    admin.page.once("dialog", lambda dialog: dialog.accept())
    admin.page.get_by_role("button", name="Delete user").click()
    expect(row(admin, "admin")).to_be_visible()
    expect(row(admin, "cleo")).to_have_count(0)


def test_the_admin_page_guards_what_is_on_its_later_pages(hub, admin, member):
    zed = member("zed")
    zed.start_server(gpus=1)
    page = admin.page
    admin.open("/hub/home")
    admin.open("/hub/admin#/?limit=1")
    following = page.get_by_test_id("paginate-next")
    for number in range(1, 100):
        expect(page.locator(".pagination-footer")).to_contain_text(f"Displaying {number}-{number}")
        if row(admin, "zed").is_visible():
            break
        following.click()
    assert number > 1, "the user is on the first page"
    for name in ("Start All", "Start Server", "Shutdown Hub", "Add Users"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    page.get_by_role("button", name="Details: zed").click()
    expect(page.locator("#zed-card-group")).to_be_visible()
    asked: list[str] = []

    def refuse(dialog) -> None:
        asked.append(dialog.message.split("?")[0])
        dialog.dismiss()

    for name in ("Stop Server", "Stop All"):
        page.once("dialog", refuse)
        page.get_by_role("button", name=name).click()
    assert asked == ["Stop this server", "Stop all servers on this page"]
    assert "zed" in hub.leases()
    row(admin, "zed").get_by_role("button", name="Edit User").click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete user").click()
    expect(page.locator("#gpudock-problem")).to_contain_text('"zed" has a running server')
    zed.stop_server()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete user").click()
    wait_for(lambda: "zed" not in names_of_users(hub), "the user is deleted")


def names_of_users(hub: HubProcess) -> list[str]:
    users = hub.client("admin", ADMIN_PASSWORD).api("GET", "/users").json()
    return [user["name"] for user in users]


def test_the_admin_page_manages_groups(hub, admin, member):
    member("dan")
    page = admin.page
    admin.open("/hub/admin")
    page.get_by_role("button", name="Manage Groups").click()
    page.get_by_role("button", name="New Group").click()
    page.get_by_test_id("group-input").fill("vision")
    page.get_by_test_id("submit").click()
    page.get_by_role("link", name=re.compile("vision")).click()
    page.get_by_test_id("username-input").fill("dan")
    page.get_by_test_id("validate-user").click()
    expect(page.get_by_text("dan", exact=True)).to_be_visible()
    page.get_by_test_id("submit").click()
    api = hub.client("admin", ADMIN_PASSWORD)
    wait_for(lambda: api.api("GET", "/groups/vision").json()["users"] == ["dan"], "Dan is a member")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_test_id("delete-group").click()
    wait_for(lambda: api.api("GET", "/groups").json() == [], "the group is gone")


def test_tokens_and_named_servers_of_the_hubs_pages(hub, member, newcomer):
    member("eve")
    eve = newcomer("eve", hub.url)
    eve.sign_in()
    eve.open("/hub/token")
    eve.page.wait_for_function("window._jupyterhub_page_loaded")
    eve.page.get_by_label("Note").fill("my script")
    eve.page.get_by_role("button", name="Request new API token").click()
    expect(eve.page.locator("#token-result")).to_have_text(re.compile(r"\w{20,}"))
    eve.open("/hub/token")
    eve.page.wait_for_function("window._jupyterhub_page_loaded")
    mine = eve.page.locator("tr", has_text="my script")
    mine.get_by_role("button", name="revoke").click()
    expect(mine).to_have_count(0)
    eve.open("/hub/home")
    eve.page.wait_for_function("window._jupyterhub_page_loaded")
    eve.page.get_by_label("server name").fill("second")
    eve.page.get_by_role("button", name="Add New Server").click()
    expect(eve.page.get_by_role("cell", name="second", exact=True)).to_be_visible()
    eve.page.wait_for_function("window._jupyterhub_page_loaded")
    eve.page.once("dialog", lambda dialog: dialog.accept())
    eve.page.get_by_role("button", name="delete", exact=True).click()
    expect(eve.page.get_by_role("cell", name="second", exact=True)).to_have_count(0)


def manage(admin: Person, name: str, entry: str) -> None:
    admin.open("/hub/authorize")
    admin.page.get_by_role("button", name=f"Manage: {name}", exact=True).click()
    admin.page.get_by_role("link", name=f"{entry}: {name}", exact=True).click()


def test_accounts_are_managed_on_the_accounts_page(hub, admin, member, newcomer):
    finn = newcomer("finn", hub.url)
    finn.sign_up()
    admin.open("/hub/home")
    link = admin.page.get_by_role("link", name="Accounts")
    expect(link).to_contain_text("1")
    link.click()
    admin.page.get_by_role("button", name="Approve: finn", exact=True).click()
    expect(admin.page.get_by_role("link", name="Accounts", exact=True)).to_be_visible()
    finn.sign_in()
    manage(admin, "finn", "Make administrator")
    admin.page.get_by_role("button", name="Make administrator").click()
    members = admin.page.locator("#gpudock-members")
    expect(members.locator("#finn")).to_contain_text("Administrator")
    manage(admin, "finn", "Remove administrator")
    admin.page.get_by_role("button", name="Remove administrator").click()
    expect(members.locator("#finn")).not_to_contain_text("Administrator")
    finn.fill_in_form(gpus=1)
    finn.start_button.click()
    wait_for(lambda: "/user/finn/" in hub.routes(), "the server runs")
    manage(admin, "finn", "Deactivate")
    expect(admin.page.get_by_label("Also stop running servers")).to_be_checked()
    admin.page.get_by_role("button", name="Deactivate").click()
    expect(admin.page.locator("#gpudock-deactivated #finn")).to_contain_text("by admin")
    wait_for(lambda: not hub.leases(), "the GPU is free")
    finn.open("/hub/home")
    expect(finn.page.locator("#login_submit")).to_be_visible()
    admin.page.get_by_role("button", name="Activate: finn").click()
    finn.sign_in()
    manage(admin, "finn", "Delete")
    admin.page.get_by_label("Also delete the workspace with all its files (4.1 KB)").check()
    admin.page.get_by_role("button", name="Delete account").click()
    expect(admin.page.locator("#finn")).to_have_count(0)
    assert "gpudock-workspace-finn" not in hub.docker.volumes


def test_a_class_gets_accounts_at_once(hub, admin, newcomer):
    admin.open("/hub/authorize")
    admin.page.get_by_role("link", name="Create accounts").click()
    list_ = {"name": "class.csv", "mimeType": "text/csv", "buffer": b"user,room\ngwen,1\nhal,2\n"}
    admin.page.get_by_label("Or a text or CSV file").set_input_files([list_])
    admin.page.get_by_role("button", name="Preview").click()
    expect(admin.page.locator("#gpudock-preview")).to_have_text("2 of 2 accounts will be created")
    admin.page.get_by_role("button", name="Create 2 accounts").click()
    expect(admin.page.get_by_role("alert")).to_contain_text("2 accounts were created")
    with admin.page.expect_download() as download:
        admin.page.get_by_role("link", name="Download as CSV").click()
    lines = download.value.path().read_text().split()
    assert lines[0] == "name,password"
    gwen = newcomer("gwen", hub.url)
    gwen.password = dict(line.split(",") for line in lines)["gwen"]
    gwen.fill_in_sign_in()
    gwen.page.wait_for_url("**/hub/change-password")
    gwen.change_password("my-own-password")
    expect(gwen.page.get_by_role("alert")).to_contain_text("changed successfully")
