"""The Hub in a browser whose language is Chinese: from signing up to waiting for a GPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from gpudock.model import GPU, GPUReading, Telemetry
from harness.hub_client import HubClient
from harness.hub_process import PASSWORD, HubProcess
from harness.page_texts import english_texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from browser.person import Person

ADMIN_PASSWORD = "a-password-of-ones-own"
READING = GPUReading(
    GPU("GPU-0a100000-0000-4000-8000-000000000000", 0, "host", "NVIDIA A100-SXM4-40GB", 40960),
    Telemetry(processes=()),
)
NAMES = {"JupyterHub", "NVIDIA A100-SXM4-40GB", "The error", "admin", "ada", "bob", "Notebook"}
NAMES |= {"Dying", "Mute", "Gone", "Unbuilt"}
# The Admin page hides what the lab does not offer, and the fields of the Hub's documents.
HIDDEN = "#react-admin-hook .collapse, .version_footer, #shutdown-button, .start-all, .start-button"
WITHOUT_HIDDEN = f"""() => {{
  const copy = document.documentElement.cloneNode(true);
  const hidden = "{HIDDEN}, [data-testid='edit-username-input']";
  copy.querySelectorAll(hidden).forEach(element => element.remove());
  return copy.outerHTML;
}}"""
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def hub(new_hub: Callable[..., HubProcess]) -> HubProcess:
    return new_hub(READING, AUTHENTICATOR="native", ADMIN_PASSWORD=ADMIN_PASSWORD)


@pytest.fixture(scope="module")
def admin(hub: HubProcess, resident: Callable[..., Person]) -> Person:
    admin = resident("admin", hub.url, locale="zh-CN")
    admin.password = ADMIN_PASSWORD
    admin.fill_in_sign_in()
    expect(admin.page.get_by_role("button", name="退出")).to_be_visible()
    return admin


def assert_chinese(person: Person, name: str) -> None:
    """Check that the page, after its scripts have run, is in Chinese."""
    assert person.page.evaluate("document.documentElement.lang") == "zh-CN"
    assert english_texts(person.page.content(), NAMES) == []
    assert_fits_a_phone(person, name)


def assert_fits_a_phone(person: Person, name: str) -> None:
    """Check that the page does not scroll sideways; take pictures if a folder for them is set."""
    page = person.page
    folder = os.environ.get("GPUDOCK_TEST_PAGES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    window = page.viewport_size
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    if folder:
        page.screenshot(path=Path(folder) / f"{name}-390.png", full_page=True)
    page.set_viewport_size(window)


def test_from_signing_up_to_waiting(hub, admin, newcomer):
    ada = newcomer("ada", hub.url, locale="zh-CN")
    page = ada.page
    ada.open("/hub/login")
    assert_chinese(ada, "login")
    page.get_by_role("link", name="注册").click()
    expect(page.get_by_role("heading", name="注册")).to_be_visible()
    assert_chinese(ada, "signup")
    page.get_by_label("用户名").fill("ada")
    page.get_by_label("密码", exact=True).fill(PASSWORD)
    page.get_by_label("确认密码").fill(PASSWORD)
    page.get_by_role("button", name="注册").click()
    expect(page.get_by_role("alert")).to_have_text("管理员批准后，您即可登录。")
    assert_chinese(ada, "signed-up")

    admin.open("/hub/home")
    admin.page.get_by_role("link", name="账户").click()
    expect(admin.page.get_by_role("heading", name="待批准")).to_be_visible()
    assert_chinese(admin, "accounts")
    admin.page.get_by_role("button", name="批准: ada", exact=True).click()
    expect(admin.page.locator("#gpudock-members").get_by_text("ada", exact=True)).to_be_visible()

    bob = HubClient(hub.url, "bob", PASSWORD)
    bob.sign_up()
    hub.client("admin", ADMIN_PASSWORD).authorize("bob")
    bob.sign_in().start_server()

    ada.fill_in_sign_in("?next=/hub/spawn")
    expect(page.get_by_role("heading", name="启动服务器")).to_be_visible()
    outlook = page.locator("#gpudock-outlook")
    expect(outlook).to_contain_text("如果现在启动，您在队列中排第 1 位。")
    page.get_by_label("GPU 数量").select_option("0")
    expect(outlook).to_have_text("您的服务器会立即启动，不带 GPU。")
    assert_chinese(ada, "form")
    page.get_by_label("GPU 数量").select_option("1")
    page.get_by_role("button", name="启动", exact=True).click()
    expect(page.locator("#progress-message")).to_contain_text("您在队列中排第 1 位，共 1 位。")
    expect(page).to_have_title("(1) 排队中 – 您的服务器正在启动 – JupyterHub")
    expect(page.get_by_text("您的请求会离开队列")).to_be_visible()
    assert_fits_a_phone(ada, "waiting")
    page.get_by_role("button", name="退出排队").click()
    page.wait_for_url("**/hub/home")
    assert_chinese(ada, "home")
    bob.stop_server()


def test_times_that_the_hubs_scripts_write(hub, admin):
    hub.client("admin", ADMIN_PASSWORD).api("POST", "/users/admin/tokens", {"note": "备注"})
    admin.open("/hub/token")
    row = admin.page.locator(".token-row").filter(has_text="备注")
    expect(row.get_by_text("从未使用")).to_be_visible()
    expect(row).to_contain_text("前")
    assert_chinese(admin, "token")


def test_pages_without_a_way_on(hub, admin):
    admin.open("/hub/no-such-page")
    expect(admin.page.get_by_text("没有这个页面。")).to_be_visible()
    assert_chinese(admin, "404")
    admin.open("/hub/spawn-pending/admin")
    assert_chinese(admin, "not-running")
    admin.open("/hub/accounts/bulk?action=create")
    assert_chinese(admin, "bulk")
    admin.open("/hub/change-password")
    assert_chinese(admin, "password")


def test_the_admin_page_which_a_script_of_the_hub_renders(hub, admin):
    client = hub.client("admin", ADMIN_PASSWORD)
    client.api("POST", "/groups/User")
    try:
        page = admin.page
        admin.open("/hub/admin")
        expect(page.get_by_test_id("user-name-div-admin")).to_be_visible()
        expect(page.get_by_placeholder("搜索用户")).to_be_visible()
        expect(page.get_by_text("显示第 1-")).to_be_visible()
        assert english_texts(page.evaluate(WITHOUT_HIDDEN), NAMES) == []
        assert_fits_a_phone(admin, "admin")
        page.get_by_role("button", name="编辑用户").first.click()
        expect(page.get_by_role("heading", name="编辑用户 ")).to_be_visible()
        assert english_texts(page.evaluate(WITHOUT_HIDDEN), NAMES) == []
        assert_fits_a_phone(admin, "admin-user")
        page.get_by_role("button", name="返回").click()
        page.get_by_role("button", name="管理用户组").click()
        # A group is called what people have named it.
        group = page.get_by_role("link", name="User", exact=True)
        expect(group).to_be_visible()
        expect(page.get_by_text("0 个用户")).to_be_visible()
        assert "User" in english_texts(page.content(), NAMES)
        group.click()
        expect(page.get_by_role("heading", name="管理组成员")).to_be_visible()
        expect(page.get_by_placeholder("按用户名添加")).to_be_visible()
        expect(page.get_by_role("button", name="删除用户组")).to_be_visible()
    finally:
        client.api("DELETE", "/groups/User")
