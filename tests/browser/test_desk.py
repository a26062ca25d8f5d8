"""The desk's pages in a browser, as users and administrators see them.

Hub and desk are real. The engine is a fake (see :mod:`doubles.docker`).
"""

from __future__ import annotations

import gzip
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Error, expect

from browser.panel_gallery import ENGLISH, english_in
from browser.panel_page import keep
from browser.person import PASSWORD, Person
from doubles.docker import FakeDocker
from gpudock.model import GPU, GPUReading, Telemetry
from harness.desk_process import DeskProcess
from harness.hub_process import HubProcess
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Locator, Page, Response


ROOT = Path(__file__).parents[2]
DESK = "/services/gpudock/"
AXE = ROOT / "spawner" / "desk-ui" / "node_modules" / "axe-core" / "axe.min.js"
DIST = ROOT / "spawner" / "gpudock" / "desk" / "static" / "dist"
PHONE = {"width": 360, "height": 740}


def reading(number: int, model: str, memory_mib: int) -> GPUReading:
    uuid = f"GPU-{number:08x}-0000-4000-8000-{number:012x}"
    telemetry = Telemetry(
        utilization_percent=37,
        memory_used_mib=512,
        temperature_c=51,
        power_w=120.0,
        power_limit_w=300.0,
        processes=(),
    )
    gpu = GPU(uuid, number, "fake-host", model, memory_mib)
    return GPUReading(gpu, telemetry, simulated=number == 2)


GPUS = (
    reading(0, "NVIDIA L4", 23034),
    reading(1, "NVIDIA A100-SXM4-40GB", 40960),
    reading(2, "NVIDIA A100-SXM4-40GB", 40960),
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    directory = tmp_path_factory.mktemp("hub")
    docker = FakeDocker(directory, GPUS)
    hub = HubProcess(directory, docker).start()
    for name in ("ada", "grace"):
        hub.client(name)
    yield hub
    docker.close()
    hub.stop()


@pytest.fixture(scope="module")
def desk(hub: HubProcess) -> Iterator[DeskProcess]:
    desk = DeskProcess(hub).start()
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def token(hub: HubProcess, desk: DeskProcess) -> str:
    return desk.token(hub.admin)


@pytest.fixture
def clean_hub(hub: HubProcess, desk: DeskProcess, token: str) -> Iterator[HubProcess]:
    """The hub, cleaned up after each test: no sessions, no quotas, all GPUs in service."""
    yield hub
    hub.admin.delete_servers()
    wait_for(lambda: not hub.leases() and not hub.queue(), "nothing runs and nobody waits")
    for level in ("user", "group", "default"):
        rows = desk.ask("GET", f"quotas?level={level}", token).json()["rows"]
        changes = [
            {"level": level, "name": row["name"], "document": None}
            for row in rows
            if row["document"] is not None
        ]
        if changes:
            answer = desk.ask("PATCH", "quotas", token, json={"changes": changes})
            assert answer.is_success, answer.text
    hub.return_gpus_to_service()
    desk.wait_for_free_gpus(token)


@pytest.fixture
def visit(desk: DeskProcess, newcomer: Callable[..., Person]) -> Callable[..., Person]:
    """Sign a user in and open a section of the desk."""

    def make(name: str, section: str = "", **look: Any) -> Person:
        person = newcomer(name, desk.url, **look)
        person.password = PASSWORD
        # Without "next" the Hub redirects to a server, to which this hub's proxy has no route.
        person.fill_in_sign_in("?next=%2Fhub%2Fhome")
        person.page.wait_for_url(lambda url: "/hub/login" not in url)
        person.open(f"{DESK}{section}")
        expect(heading(person.page)).to_be_visible()
        return person

    return make


def heading(page: Page) -> Locator:
    return page.locator("#gpudock-desk .gd-page h1")


def set_quota(desk: DeskProcess, token: str, path: str, document: dict[str, Any]) -> None:
    answer = desk.ask("PUT", f"quotas/{path}", token, json=document)
    assert answer.is_success, answer.text


def tile(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def cell(page: Page, field: str, name: str) -> Locator:
    return page.get_by_role("button", name=re.compile(f"^{re.escape(field)} of {name}:"))


def edit(page: Page, field: str, name: str, text: str) -> None:
    """Edit a limit in place, by keyboard."""
    cell(page, field, name).press("Enter")
    editor = page.get_by_role("textbox", name=f"{field} of {name}")
    editor.fill(text)
    editor.press("Enter")


def save(page: Page) -> None:
    page.get_by_role("button", name="Review and save…").click()
    page.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()


# My GPUs.


def test_the_hub_links_to_the_desk_and_an_empty_desk_to_the_spawn_page(clean_hub, visit):
    ada = visit("ada")
    expect(ada.page.get_by_text("You have no GPU right now.")).to_be_visible()
    start = ada.page.get_by_role("link", name="Start a server").first
    assert start.get_attribute("href") == "/hub/spawn"
    ada.open("/hub/home")
    expect(heading(ada.page)).to_have_text("My GPUs")
    ada.page.wait_for_url(f"**{DESK}")


def test_all_pages_have_one_navigation(clean_hub, visit):
    admin = visit("admin")
    bar = admin.page.get_by_role("navigation", name="Main")
    titles = ["My GPUs", "Lab", "Quotas", "Usage", "Sessions", "Audit", "Admin", "Token"]
    for path in (DESK, f"{DESK}lab", "/hub/admin", "/hub/token", "/hub/spawn", "/hub/nowhere"):
        admin.open(path)
        expect(bar.locator(".nav-link")).to_have_text(titles)
    ada = visit("ada", "lab")
    bar = ada.page.get_by_role("navigation", name="Main")
    for path, here in ((f"{DESK}lab", "Lab"), ("/hub/token", "Token"), ("/hub/spawn", None)):
        ada.open(path)
        expect(bar.locator(".nav-link")).to_have_text(["My GPUs", "Lab", "Usage", "Token"])
        expect(bar.locator("[aria-current=page]")).to_have_text([here] if here else [])


def test_servers_with_names_are_created_started_stopped_and_deleted(clean_hub, visit):
    ada = visit("ada", viewport={"width": 390, "height": 844})
    page = ada.page
    servers = page.get_by_role("region", name="More servers")
    field = servers.get_by_label("Name of a new server")
    field.fill("Sweep!")
    field.press("Enter")
    expect(servers.get_by_role("alert")).to_contain_text("lowercase letters")
    field.fill("sweep")
    field.press("Enter")
    page.wait_for_url("**/hub/spawn/ada/sweep")
    expect(page.get_by_text("All your servers share the files in /workspace")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    wait_for(lambda: "ada:sweep" in clean_hub.leases(), "it has a GPU")

    ada.open(DESK)
    card = tile(page, 'Server "sweep"')
    expect(card).to_contain_text("NVIDIA")
    expect(servers.get_by_role("listitem")).to_have_count(0)
    assert_accessible(page)
    card.get_by_role("button", name=re.compile("^Stop server")).click()
    page.get_by_role("dialog").get_by_role("button", name="Stop server").click()
    expect(page.get_by_text("Session ended. The GPU is free again.")).to_be_visible()

    row = servers.get_by_role("listitem")
    expect(row).to_contain_text("Stopped")
    expect(row.get_by_role("link", name=re.compile("^Start"))).to_have_attribute(
        "href", "/hub/spawn/ada/sweep"
    )
    assert_accessible(page)
    row.get_by_role("button", name=re.compile("^Delete")).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    ada.open(DESK)
    expect(field).to_be_visible()
    expect(row).to_have_count(0)


def test_the_end_of_a_session_is_shown_once(clean_hub, visit):
    ada = visit("ada", "?ended=lease-of-jupyterlab")
    notice = ada.page.get_by_text(
        "Session ended. The GPU is free again. Your files are kept.", exact=True
    )
    expect(notice).to_be_visible()
    ada.page.reload()
    expect(heading(ada.page)).to_be_visible()
    expect(notice).to_have_count(0)


def test_a_session_counts_down_and_is_extended_and_released(clean_hub, desk, token, visit):
    set_quota(desk, token, "default", {"session_hours": 2, "max_session_hours": 6})
    clean_hub.client("ada").start_server(gpus=1)
    ada = visit("ada")
    card = tile(ada.page, "Your server")
    expect(card).to_contain_text("NVIDIA L4")
    timer = card.get_by_role("timer")
    expect(timer).to_have_text(re.compile(r"1 h 59 min|2 h 00 min"))
    card.get_by_role("button", name="Extend Your server").click()
    expect(timer).to_have_text(re.compile(r"3 h 59 min|4 h 00 min"))
    card.get_by_role("button", name="Stop server: your server").click()
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Keep it").click()
    assert clean_hub.leases()
    card.get_by_role("button", name="Stop server: your server").click()
    dialog.get_by_role("button", name="Stop server").click()
    expect(ada.page.get_by_text("You have no GPU right now.")).to_be_visible()
    assert not clean_hub.leases()
    expect(ada.page.get_by_role("region", name="Past sessions")).to_contain_text(
        re.compile(r"Stopped by you at \d\d:\d\d")
    )


def test_a_warning_is_shown_before_a_session_ends(clean_hub, desk, token, visit):
    set_quota(desk, token, "users/ada", {"max_session_hours": 0.3})
    clean_hub.client("ada").start_server(gpus=1)
    ada = visit("ada")
    warning = ada.page.locator(".alert", has_text="Your server ends in")
    expect(warning).to_contain_text("Save your work. The workspace is kept.")
    expect(warning.get_by_role("alert")).to_be_attached()


# The page that she may not open has no scripts of its own.
@pytest.mark.parametrize("page", ["", "audit"])
def test_the_button_to_sign_out_works_by_keyboard(page, clean_hub, visit):
    ada = visit("ada")
    ada.open(f"{DESK}{page}")
    ada.page.locator("#logout").focus()
    ada.page.keyboard.press("Space")
    expect(ada.page.locator("#username_input")).to_be_visible()


def test_a_waiting_user_sees_the_position_and_can_leave_the_queue(clean_hub, desk, token, visit):
    set_quota(desk, token, "default", {"max_gpus": 3})
    clean_hub.client("grace").start_server(gpus=3)
    assert clean_hub.client("ada").ask_for_server(gpus=1).is_success
    wait_for(lambda: clean_hub.queue() == ["ada"], "ada waits")
    ada = visit("ada")
    card = tile(ada.page, "Your server")
    expect(card).to_contain_text("Position 1 of 1")
    expect(ada.page).to_have_title("(1) waiting – My GPUs – gpudock")
    expect(card).to_contain_text("Expected to start")
    card.get_by_role("button", name="Leave the queue").click()
    ada.page.get_by_role("dialog").get_by_role("button", name="Leave the queue").click()
    expect(ada.page.get_by_text("You have no GPU right now.")).to_be_visible()
    wait_for(lambda: not clean_hub.queue(), "nobody waits")


# Lab.


def test_others_see_that_a_gpu_is_in_use_but_not_by_whom(clean_hub, visit):
    clean_hub.client("grace").start_server(gpus=1)
    ada = visit("ada", "lab")
    taken = tile(ada.page, "GPU 0")
    expect(taken).to_contain_text("In use")
    expect(taken).to_contain_text("another user")
    expect(taken).to_contain_text("37 %")
    expect(taken).not_to_contain_text("simulated")
    expect(tile(ada.page, "GPU 2")).to_contain_text("simulated")
    keep(ada.page, "lab-simulated")
    expect(ada.page.locator("body")).not_to_contain_text("grace")
    expect(ada.page.get_by_role("button", name=re.compile("^Manage"))).to_have_count(0)


def test_an_administrator_drains_shares_and_releases(clean_hub, hub, visit):
    hub.client("grace").start_server(gpus=1)
    admin = visit("admin", "lab")
    page, dialog = admin.page, admin.page.get_by_role("dialog")
    expect(tile(page, "GPU 0")).to_contain_text("grace")

    page.get_by_role("button", name="Manage fake-host, GPU 1").click()
    dialog.get_by_role("button", name="Drain").click()
    expect(tile(page, "GPU 1")).to_contain_text("Draining")
    page.get_by_role("button", name="Manage fake-host, GPU 1").click()
    dialog.get_by_role("button", name="Return to service").click()
    expect(tile(page, "GPU 1")).to_contain_text("Free")

    page.get_by_role("button", name="Manage fake-host, GPU 2").click()
    dialog.get_by_label("Slots").select_option("2")
    dialog.get_by_role("button", name="Set slots").click()
    expect(tile(page, "GPU 2")).to_contain_text("0 of 2 slots taken")
    page.get_by_role("button", name="Manage fake-host, GPU 2").click()
    dialog.get_by_label("Slots").select_option("1")
    dialog.get_by_role("button", name="Set slots").click()
    expect(tile(page, "GPU 2")).not_to_contain_text("slots")

    page.get_by_role("button", name="Manage fake-host, GPU 0").click()
    dialog.get_by_role("button", name="Stop server: grace").click()
    dialog.get_by_role("button", name="Stop server", exact=True).click()
    wait_for(lambda: not clean_hub.leases(), "the session has ended")
    expect(tile(page, "GPU 0")).to_contain_text("Free")


# Quotas.


def test_a_limit_is_edited_in_place_previewed_and_saved(clean_hub, hub, desk, token, visit):
    hub.client("ada").start_server(gpus=1)
    admin = visit("admin", "quotas")
    edit(admin.page, "GPUs at once", "ada", "0")
    expect(cell(admin.page, "GPUs at once", "ada")).to_be_focused()
    admin.page.get_by_role("button", name="Review and save…").click()
    dialog = admin.page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 running session would exceed it")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(admin.page.get_by_text("1 change saved.")).to_be_visible()
    stored = desk.ask("GET", "quotas/users/ada", token).json()
    assert (stored["document"], stored["updated_by"]) == ({"max_gpus": 0}, "admin")
    assert clean_hub.leases(), "lowering a limit ends nobody's session"
    admin.page.get_by_role("button", name="Details of ada").click()
    row = dialog.get_by_role("row", name=re.compile("^GPUs at once"))
    expect(row).to_have_text(re.compile("0user1$"))


def test_concurrent_edits_are_shown_and_nothing_is_lost(clean_hub, desk, token, visit):
    set_quota(desk, token, "users/ada", {"max_gpus": 2})
    admin = visit("admin", "quotas")
    edit(admin.page, "GPUs at once", "ada", "5")
    set_quota(desk, token, "users/ada", {"max_gpus": 3, "weight": 4})
    save(admin.page)
    conflict = admin.page.get_by_role("dialog", name="Someone else changed these limits")
    row = conflict.get_by_role("row", name=re.compile("^GPUs at once"))
    expect(row.get_by_role("cell")).to_have_text(["2", "3", "5"])
    conflict.get_by_role("button", name="Continue").click()
    admin.page.get_by_role("dialog", name="Save 1 change").get_by_role(
        "button", name="Save", exact=True
    ).click()
    expect(admin.page.get_by_text("1 change saved.")).to_be_visible()
    stored = desk.ask("GET", "quotas/users/ada", token).json()
    assert stored["document"] == {"max_gpus": 5, "weight": 4}


def test_many_rows_are_edited_at_once_and_boosted(clean_hub, desk, token, visit):
    admin = visit("admin", "quotas")
    page, dialog = admin.page, admin.page.get_by_role("dialog")
    for name in ("ada", "grace"):
        page.get_by_role("checkbox", name=f"Select {name}").check()
    page.get_by_role("button", name="Edit selected…").click()
    dialog.get_by_label("Limit", exact=True).select_option("gpu_hours")
    dialog.get_by_role("textbox", name="New value").fill("40")
    dialog.get_by_role("button", name="Stage the changes").click()
    page.get_by_role("button", name="Details of ada").click()
    dialog.get_by_role("button", name="Add a boost").click()
    boost = dialog.get_by_role("group", name="Boost with an end date")
    boost.get_by_label("GPUs at once").fill("2")
    dialog.get_by_role("button", name="Stage the changes").click()
    save(page)
    expect(page.get_by_text("2 changes saved.")).to_be_visible()
    ada = desk.ask("GET", "quotas/users/ada", token).json()["document"]
    assert (ada["gpu_hours"], ada["boost"]["max_gpus"]) == (40, 2)
    grace = desk.ask("GET", "quotas/users/grace", token).json()["document"]
    assert grace == {"gpu_hours": 40}
    page.get_by_role("button", name="Details of ada").click()
    row = dialog.get_by_role("row", name=re.compile("^GPUs at once"))
    expect(row).to_contain_text("boost")


def test_quotas_are_exported_as_a_file_and_imported_completely_or_not_at_all(
    clean_hub, desk, token, visit, tmp_path
):
    set_quota(desk, token, "users/ada", {"max_gpus": 2})
    admin = visit("admin", "quotas")
    with admin.page.expect_download() as download:
        admin.page.get_by_role("link", name="Export CSV").click()
    text = download.value.path().read_text()
    assert "user,ada,2" in text

    file = tmp_path / "quotas.csv"
    dialog = admin.page.get_by_role("dialog")
    admin.page.get_by_role("button", name="Import CSV…").click()
    file.write_text("level,name,max_gpus\nuser,ada,4\nuser,grace,many\n")
    dialog.get_by_label("CSV file").set_input_files(file)
    expect(dialog.get_by_role("alert")).to_contain_text("Line 3")
    expect(dialog.get_by_role("button", name="Import")).to_be_disabled()
    file.write_text(text.replace("user,ada,2", "user,ada,4"))
    dialog.get_by_label("CSV file").set_input_files(file)
    expect(dialog).to_contain_text("Changed1")
    expect(dialog).to_contain_text("No running session or waiting request is affected.")
    # If someone else saves first, nothing is imported before a new preview.
    set_quota(desk, token, "users/ada", {"max_gpus": 3})
    dialog.get_by_role("button", name="Import").click()
    expect(dialog.get_by_role("alert")).to_contain_text("the latest (user/ada) by admin")
    assert desk.ask("GET", "quotas/users/ada", token).json()["document"] == {"max_gpus": 3}
    dialog.get_by_text("Show each change").click()
    expect(dialog.get_by_role("listitem").filter(has_text="ada")).to_contain_text("3")
    dialog.get_by_role("button", name="Import").click()
    expect(admin.page.get_by_text("1 level changed by the import.")).to_be_visible()
    expect(cell(admin.page, "GPUs at once", "ada")).to_have_text("4")


# Usage and audit.


def test_usage_is_shown_as_a_chart_and_a_table(clean_hub, hub, visit):
    hub.client("ada").start_server(gpus=1)
    admin = visit("admin", "usage")
    expect(admin.page.get_by_role("img", name="GPU-hours by User")).to_be_visible()
    table = admin.page.get_by_role("table", name="GPU-hours by User")
    expect(table.get_by_role("row", name=re.compile("^ada"))).to_be_visible()
    admin.page.get_by_label("By", exact=True).select_option("gpu")
    by_gpu = admin.page.get_by_role("table", name="GPU-hours by GPU")
    expect(by_gpu).to_contain_text("fake-host, GPU 0 (NVIDIA L4)")
    with admin.page.expect_download() as download:
        admin.page.get_by_role("link", name="CSV").click()
    assert download.value.path().read_text().startswith("gpu,from,gpu_hours")


def test_users_see_only_their_own_usage(clean_hub, hub, visit):
    hub.client("grace").start_server(gpus=1)
    hub.client("ada").start_server(gpus=1)
    ada = visit("ada", "usage")
    expect(ada.page.get_by_role("row", name=re.compile("^ada"))).to_be_visible()
    expect(ada.page.locator("body")).not_to_contain_text("grace")


def test_an_administrator_reads_who_had_a_gpu_and_why_the_session_ended(clean_hub, visit):
    ada = clean_hub.client("ada")
    ada.start_server(gpus=1)
    clean_hub.admin.delete_server("", "ada")
    wait_for(lambda: not clean_hub.leases(), "the lease has ended")
    admin = visit("admin", "sessions?user=ada")
    row = admin.page.get_by_role("row", name=re.compile("Stopped by")).first
    expect(row).to_contain_text("ada")
    expect(row).to_contain_text("Stopped by you")
    expect(row).to_contain_text("GPU 0 on fake-host")
    admin.page.get_by_label("GPU", exact=True).select_option(label="GPU 2 on fake-host")
    expect(admin.page.get_by_text("No session matches these filters.")).to_be_visible()
    admin.page.get_by_role("button", name="Clear filters").click()
    expect(row).to_be_visible()
    with admin.page.expect_download() as download:
        admin.page.get_by_role("link", name="CSV").click()
    assert "Stopped by you" in Path(download.value.path()).read_text()


def test_the_user_reads_why_a_server_stopped_where_an_old_tab_leads(clean_hub, hub, visit):
    ada = clean_hub.client("ada")
    ada.start_server(gpus=1)
    clean_hub.admin.delete_server("", "ada")
    wait_for(lambda: not clean_hub.leases(), "the lease has ended")
    person = visit("ada")
    expect(person.page.get_by_role("region", name="Past sessions")).to_contain_text(
        re.compile(r"Stopped by admin at \d\d:\d\d")
    )
    person.open("/hub/user/ada/lab")
    end = person.page.locator("#last-end")
    expect(end).to_have_text(re.compile(r"^Stopped by admin at \d\d:\d\d\.$"))
    expect(person.page.get_by_role("button", name="Start")).to_be_visible()


def test_a_group_its_members_and_its_manager_are_set_on_the_page(clean_hub, hub, visit):
    hub.client("ada")
    admin = visit("admin", "quotas?level=group")
    admin.page.get_by_role("button", name="New group…").click()
    admin.page.get_by_role("dialog").get_by_label("Name").fill("vision")
    admin.page.get_by_role("button", name="Create group").click()
    people = admin.page.get_by_role("region", name="Members and managers")
    people.get_by_label("Add a user").fill("ada")
    people.get_by_role("button", name="Add", exact=True).click()
    people.get_by_role("button", name="Make manager: ada").click()
    expect(people.get_by_role("row", name=re.compile("ada"))).to_contain_text("Manager")
    assert_accessible(admin.page)
    ada = visit("ada", "quotas")
    expect(cell(ada.page, "GPUs at once", "ada")).to_be_visible()
    people.get_by_role("button", name="Delete the group…").click()
    admin.page.get_by_role("button", name="Delete group", exact=True).click()
    expect(admin.page.get_by_text("The group vision was deleted.")).to_be_visible()


def test_the_audit_shows_each_change_with_the_values_before_and_after(
    clean_hub, desk, token, visit
):
    set_quota(desk, token, "users/ada", {"max_gpus": 2})
    set_quota(desk, token, "users/ada", {"max_gpus": 3, "weight": 2})
    admin = visit("admin", "audit?target=user/ada")
    changes = admin.page.get_by_role("row", name=re.compile("Set limits"))
    expect(changes.first).to_contain_text("admin")
    expect(changes.first.locator("del")).to_have_text(["before 2"])
    expect(changes.first.locator("ins")).to_have_text(["after 3", "after 2"])
    admin.page.get_by_label("Actor", exact=True).fill("nobody")
    admin.page.get_by_label("Actor", exact=True).press("Enter")
    expect(admin.page.get_by_text("No change matches these filters.")).to_be_visible()


# For everybody.


@pytest.mark.parametrize(
    "look",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": PHONE, "has_touch": True}],
    ids=["light", "dark", "phone"],
)
def test_the_pages_are_accessible(clean_hub, hub, desk, token, visit, look):
    set_quota(desk, token, "default", {"max_gpus": 3, "max_session_hours": 0.5})
    set_quota(desk, token, "users/ada", {"weight": 2})
    hub.client("admin").start_server(gpus=3)
    assert hub.client("ada").ask_for_server(gpus=1).is_success
    wait_for(lambda: hub.queue() == ["ada"], "ada waits")
    admin = visit("admin", **look)
    for section in ("", "lab", "quotas", "quotas?level=group", "usage", "sessions", "audit"):
        admin.open(f"{DESK}{section}")
        expect(heading(admin.page)).to_be_visible()
        expect(admin.page.locator("#gpudock-desk .spinner-border")).to_have_count(0)
        assert_accessible(admin.page)
    admin.open(f"{DESK}quotas")
    admin.page.get_by_role("button", name="Details of ada").click()
    dialog = admin.page.get_by_role("dialog")
    expect(dialog.get_by_role("table")).to_be_visible()
    assert_accessible(admin.page)
    dialog.get_by_role("button", name="Close").click()
    edit(admin.page, "GPUs at once", "ada", "1")
    admin.page.get_by_role("button", name="Review and save…").click()
    expect(dialog.get_by_role("status")).to_be_visible()
    assert_accessible(admin.page)


@pytest.mark.parametrize(
    "look",
    [{}, {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}, "has_touch": True}],
    ids=["light", "dark phone"],
)
def test_the_pages_are_in_chinese_for_those_who_read_it(
    clean_hub, hub, desk, token, visit, look, request
):
    name = request.node.callspec.id.replace(" ", "-")
    set_quota(
        desk, token, "default", {"max_gpus": 3, "max_session_hours": 0.5, "session_hours": 0.2}
    )
    set_quota(desk, token, "users/ada", {"weight": 2})
    set_quota(desk, token, "users/ada", {"weight": 3, "gpu_hours": None})
    hub.client("admin").start_server(gpus=3)
    assert hub.client("ada").ask_for_server(gpus=1).is_success
    wait_for(lambda: hub.queue() == ["ada"], "ada waits")
    admin = visit("admin", locale="zh-TW", **look)
    page, dialog = admin.page, admin.page.get_by_role("dialog")
    # Sentences of the server are not of these pages.
    said: set[str] = set()
    languages: set[str | None] = set()

    def hear(response: Response) -> None:
        if "/api/v1/" in response.url:
            languages.add(response.request.headers.get("accept-language"))
            with suppress(Error):  # of a page that was left
                said.update(texts_in(response.json()))

    page.on("response", hear)

    def look_at(what: str) -> None:
        expect(page.locator("#gpudock-desk .spinner-border")).to_have_count(0)
        keep(page, f"zh-{name}-{what}")
        own = []
        for text in english_in(page.locator("body")):
            rest = text
            for sentence in said:
                rest = rest.replace(sentence, "")
            own += re.findall(ENGLISH, rest)
        assert own == []
        assert_accessible(page)

    titles = {
        "": "我的 GPU",
        "lab": "实验室",
        "quotas": "配额",
        "quotas?level=group": "配额",
        "usage": "用量",
        "sessions": "会话记录",
        "audit": "审计",
    }
    for section, title in titles.items():
        admin.open(f"{DESK}{section}")
        expect(heading(page)).to_have_text(title)
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        expect(page).to_have_title(re.compile(f"^{title} – "))
        look_at(section or "mine")
    expect(page.locator(".navbar .nav-link").first).to_have_text("我的 GPU")
    assert languages == {"zh-CN"}

    admin.open(f"{DESK}quotas")
    page.get_by_role("button", name="ada 的详情").click()
    expect(dialog.get_by_role("table")).to_be_visible()
    look_at("drawer")
    dialog.get_by_role("button", name="关闭").click()
    page.get_by_role("button", name=re.compile("^ada 的同时使用的 GPU：")).press("Enter")
    editor = page.get_by_role("textbox", name="ada 的同时使用的 GPU")
    editor.fill("无限制")
    editor.press("Enter")
    page.get_by_role("button", name="检查并保存…").click()
    expect(dialog.get_by_role("status")).to_be_visible()
    look_at("review")
    admin.open(f"{DESK}lab")
    page.get_by_role("button", name="管理 fake-host，GPU 0").click()
    dialog.get_by_role("button", name="停止服务器：admin").click()
    look_at("manage")


def texts_in(answer: Any) -> Iterator[str]:
    """The texts in an answer of the API that have several words."""
    if isinstance(answer, str) and " " in answer:
        yield answer
    elif isinstance(answer, dict | list):
        for value in answer.values() if isinstance(answer, dict) else answer:
            yield from texts_in(value)


def assert_accessible(page: Page) -> None:
    """Assert that axe finds nothing serious, and that the page is not wider than the window."""
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
    )
    serious = [
        f"{item['impact']} {item['id']}: {[node['target'] for node in item['nodes']][:5]}"
        for item in found
        if item["impact"] in ("serious", "critical")
    ]
    assert not serious, f"{page.url}: {serious}"
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"{page.url} is {wide} pixels too wide"


def test_the_pages_cause_no_errors_in_the_console(clean_hub, hub, visit):
    """The content security policy blocks no script or style, and no script fails."""
    hub.client("admin").start_server(gpus=1)
    admin = visit("admin")
    errors: list[str] = []
    admin.page.on(
        "console", lambda message: errors.append(message.text) if message.type == "error" else None
    )
    admin.page.on("pageerror", lambda error: errors.append(str(error)))
    for section in ("", "lab", "quotas", "usage", "sessions", "audit"):
        admin.open(f"{DESK}{section}")
        expect(heading(admin.page)).to_be_visible()
        expect(admin.page.locator("#gpudock-desk .spinner-border")).to_have_count(0)
    assert errors == []


def test_the_pages_are_light(clean_hub, visit):
    """Scripts and styles are at most 200 kB with gzip. Charts are loaded only when needed."""
    files = [path for path in (DIST / "assets").iterdir() if path.suffix in (".js", ".css")]
    compressed = {path.name: len(gzip.compress(path.read_bytes(), mtime=0)) for path in files}
    assert sum(compressed.values()) <= 200_000, compressed
    requested: list[str] = []
    ada = visit("ada")
    ada.page.on("request", lambda request: requested.append(request.url))
    ada.open(DESK)
    expect(heading(ada.page)).to_be_visible()
    assert any("/static/dist/" in url for url in requested)
    assert not any("UsageChart" in url for url in requested)


def test_an_outage_of_the_desk_is_shown_and_ends_by_itself(clean_hub, hub, desk, visit):
    hub.client("ada").start_server(gpus=1)
    ada = visit("ada")
    expect(tile(ada.page, "Your server")).to_be_visible()
    desk.stop()
    expect(ada.page.get_by_text("The lab is not responding.")).to_be_visible()
    expect(tile(ada.page, "Your server")).to_be_visible()
    desk.start()
    expect(ada.page.get_by_text("The lab is not responding.")).to_have_count(0)
