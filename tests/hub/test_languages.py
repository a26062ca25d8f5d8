"""Users who read Chinese see Chinese on each page of the Hub; all others see English."""

from __future__ import annotations

import re

import httpx
import pytest

from harness.hub_client import HubClient
from harness.hub_process import PASSWORD
from harness.page_texts import english_texts, page_language
from harness.waiting import wait_for

ADMIN_PASSWORD = "battery-staple-horse"
CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}
CJK = re.compile("[\u4e00-\u9fff]")

# Names of products, models, images and people, and what JupyterHub's scripts read.
NAMES = {
    "JupyterHub",
    "NVIDIA A100-SXM4-40GB",
    "NVIDIA L4",
    "Notebook",
    "Dying",
    "Mute",
    "Gone",
    "Unbuilt",
    "The error",
    "admin",
    "ada",
    "bob",
    "cleo",
    "dora",
    "eve",
    "fay",
}


@pytest.fixture(scope="module")
def hub(new_module_hub):
    return new_module_hub(AUTHENTICATOR="native", ADMIN_PASSWORD=ADMIN_PASSWORD).start()


@pytest.fixture(scope="module")
def admin(hub):
    """An administrator who reads Chinese."""
    client = HubClient(hub.url, "admin", ADMIN_PASSWORD)
    client.http.headers.update(CHINESE)
    return client.sign_in()


@pytest.fixture
def member(hub, admin):
    """Make a user with an account."""

    def make(name, headers=CHINESE):
        user = HubClient(hub.url, name, PASSWORD)
        user.http.headers.update(headers)
        user.sign_up()
        admin.authorize(name)
        return user.sign_in()

    yield make
    wait_for(lambda: not admin_leases(hub, admin), "all servers have ended", 60)


def admin_leases(hub, admin):
    admin.delete_servers()
    return hub.leases()


def assert_chinese(answer: httpx.Response, *texts: str) -> str:
    """Check that a page has these texts, and none in English; return it."""
    page = answer.text
    assert page_language(page) == "zh-CN", page
    assert english_texts(page, NAMES) == []
    for text in texts:
        assert text in page
    return page


def test_signing_up_and_in(hub, admin):
    with httpx.Client(base_url=hub.url, headers=CHINESE) as browser:
        assert_chinese(browser.get("/hub/login"), "登录", "用户名：", "还没有账户？")
        assert_chinese(browser.get("/hub/signup"), "注册", "确认密码")
    fay = HubClient(hub.url, "fay", PASSWORD)
    fay.http.headers.update(CHINESE)
    assert "管理员批准后，您即可登录。" in fay.sign_up()
    assert "用户名“fay”已被使用。" in fay.sign_up()
    assert_chinese(fay.try_to_sign_in(), "管理员尚未批准您的账户。")
    fay.password = "wrong"
    assert_chinese(fay.try_to_sign_in(), "用户名或密码错误。请重试；管理员可以重置您的密码。")
    assert_chinese(admin.page("/hub/authorize"), "待批准")
    admin.change_account("discard", "fay").raise_for_status()


def test_the_frame_and_the_stock_pages(hub, member):
    ada = member("ada")
    page = assert_chinese(ada.page("/hub/home"), "我的 GPU", "令牌", "命名服务器", "退出")
    assert "Named Servers" not in page
    ada.api("POST", "/users/ada/tokens", {"note": "备注"})
    assert_chinese(ada.page("/hub/token"), "申请新的 API 令牌", "1 小时", "永不过期", "撤销")
    assert_chinese(ada.page("/hub/no-such-page"), "404 : 未找到", "没有这个页面。")
    assert_chinese(ada.page("/hub/admin"), "403 : 禁止访问", "无权访问该资源")
    assert_chinese(ada.page("/hub/change-password"), "当前密码", "至少")
    wrong = ada.send_password_form("wrong", "another-long-password")
    assert_chinese(wrong, "您的当前密码不正确。请重试。")
    short = ada.send_password_form(PASSWORD, "x")
    assert_chinese(short, "密码太短。")


def test_the_accounts_pages(hub, admin, member):
    member("ada")
    member("bob")
    HubClient(hub.url, "eve", PASSWORD).sign_up()
    admin.change_account("accounts/deactivate", "bob").raise_for_status()
    assert_chinese(admin.page("/hub/authorize"), "待批准", "已启用", "已停用", "批准")
    for what in ("deactivate", "delete", "admin", "no-admin"):
        assert_chinese(admin.page(f"/hub/accounts/{what}/ada"), "“ada”")
        assert_chinese(admin.page(f"/hub/accounts/{what}/admin"))
    assert_chinese(admin.page("/hub/accounts/activate/bob"), "启用账户“bob”？")
    assert_chinese(admin.page("/hub/accounts/delete/nobody"), "没有账户“nobody”。")
    assert_chinese(admin.page("/hub/change-password/ada"), "设置 ada 的密码")
    assert_chinese(admin.page("/hub/accounts/bulk", action="create"), "创建账户")
    names = "ada\nbob\neve\ndora\nNO!"
    for action in ("create", "reset"):
        form = {"action": action, "names": names, "_xsrf": admin._xsrf()}
        page = assert_chinese(admin.http.post("/hub/accounts/bulk", data=form), "将会发生")
        assert "</table>" in page
    confirmed = {"action": "create", "names": "dora", "confirmed": "yes", "_xsrf": admin._xsrf()}
    made = admin.http.post("/hub/accounts/bulk", data=confirmed)
    assert "已创建 1 个账户。" in made.text
    assert "这些密码仅在此时显示。" in made.text
    admin.change_account("accounts/activate", "bob").raise_for_status()
    for name in ("bob", "dora"):
        admin.change_account("accounts/delete", name).raise_for_status()
    admin.change_account("discard", "eve").raise_for_status()
    # Its script brings its own texts; the page around it is the lab's.
    assert page_language(admin.page("/hub/admin").text) == "zh-CN"
    refused = admin.api("POST", "/users/ada/server")
    assert "其他用户的服务器请在其启动页面上启动" in refused.json()["message"]


def test_the_spawn_form(hub, admin, member):
    ada = member("ada")
    page = assert_chinese(ada.page("/hub/spawn"), "本实验室的 GPU", "2/2", "立即启动")
    assert re.search(r'id="gpudock-limit">您的上限', page)
    assert_chinese(admin.page("/hub/spawn/ada"), "所属用户：")
    refused = ada.spawn_form(gpus="x")
    assert_chinese(refused, "“x”不是有效的 GPU 数量。")
    outlook = ada.page("/hub/gpudock/outlook", gpus=1).json()
    assert outlook["text"] == "您的服务器会立即启动。"
    assert ada.page("/hub/gpudock/outlook/ada/none").json()["message"] == "没有这台服务器。"
    elsewhere = ada.http.get("/hub/spawn?opt-again=1", headers={"Sec-Fetch-Site": "cross-site"})
    assert_chinese(elsewhere, "错误：", "不在本实验室页面上的链接")


def test_everybody_who_follows_a_start_reads_their_own_language(hub, admin, member):
    for name in ("bob", "cleo"):
        member(name).start_server()
    ada = member("ada")
    assert ada.ask_for_server().status_code == 202
    english = HubClient(hub.url, "ada", PASSWORD).sign_in()
    pages = ada.follow(), english.follow()
    pages[0].wait_for("您在队列中排第 1 位，共 1 位。")
    pages[1].wait_for("You are number 1 of 1 in the queue. All matching GPUs are in use.")
    assert_chinese(ada.page("/hub/spawn-pending/ada"), "您的服务器正在启动", "退出排队")
    admin.delete_server(user="bob")
    for page in pages:
        assert page.result()["ready"]
    assert "您已获得 1 个 GPU。" in pages[0].messages
    assert "已请求服务器" in pages[0].messages
    assert all(CJK.search(said) for said in pages[0].messages[:-1])
    assert "You have 1 GPU." in pages[1].messages
    assert "Server requested" in pages[1].messages
    assert not any(CJK.search(said) for said in pages[1].messages)
    with hub.docker.hold("stop") as ending:
        ada.delete_server()
        ending.wait()
        assert_chinese(ada.page("/hub/spawn-pending/ada"), "您的服务器正在停止", "刷新")
    wait_for(lambda: ada.server_model() is None, "the server has ended")
    assert "您的服务器未运行" in ada.page("/hub/user/ada/lab").text


def test_why_a_start_failed_is_shown_in_the_language_of_the_reader(hub, member):
    ada = member("ada")
    english = HubClient(hub.url, "ada", PASSWORD).sign_in()
    sentence = "Your container exited right after its start"
    # What a program wrote stays as it is.
    chinese = "您的容器在启动后立即退出，因此无法启动您的服务器。其最后的输出：“ImportError"
    for starter, reader, heading, text in (
        (english, ada, "您的服务器未启动", chinese),
        (ada, english, "Your server did not start", sentence),
    ):
        starter.ask_for_server(image="lab/dying:1", gpus=0)
        assert starter.follow().result()["failed"]
        page = reader.page("/hub/spawn-pending/ada").text
        assert heading in page
        assert text in page
    log = hub.log.read_text()
    assert sentence in log
    assert not CJK.search(log), "the log is in English"


def test_the_page_that_asks_for_consent(hub, admin, member):
    ada = member("ada")
    ada.start_server(gpus=0)
    query = {
        "client_id": "jupyterhub-user-ada",
        "redirect_uri": "/user/ada/oauth_callback",
        "response_type": "code",
        "state": "x",
    }
    page = admin.page("/hub/api/oauth2/authorize", **query)
    assert page.status_code == 200
    assert "授权访问" in page.text
    assert [text for text in english_texts(page.text, NAMES) if "/user/ada" not in text] == []


@pytest.mark.parametrize(
    "header", ["", "*", "en-US,en;q=0.9,zh;q=0.1", ";;q=x,,%", "zh;q=nan", "x" * 9000]
)
def test_other_languages_and_broken_headers_get_english(hub, header):
    missing = httpx.get(f"{hub.url}/hub/no-such-page", headers={"Accept-Language": header})
    assert "404 : Not Found" in missing.text
    assert "There is no such page." in missing.text
    answer = httpx.get(f"{hub.url}/hub/login", headers={"Accept-Language": header})
    assert answer.status_code == 200
    assert page_language(answer.text) == "en"
    assert not CJK.search(answer.text)
    assert "No account yet?" in answer.text


def test_programs_get_english(hub):
    refused = httpx.get(f"{hub.url}/hub/gpudock/servers")
    assert refused.json() == {"message": "You are no longer signed in. Reload the page to sign in."}


def title(page: str) -> str:
    found = re.search(r"<title>\s*(.*?)\s*</title>", page, re.DOTALL)
    assert found is not None
    return found[1]


PAGES = {
    "login": ("Sign in", "登录"),
    "signup": ("Sign up", "注册"),
    "home": ("My GPUs", "我的 GPU"),
    "spawn": ("Start a server", "启动服务器"),
    "user/admin/lab": ("Your server is not running", "您的服务器未运行"),
    "token": ("Token", "令牌"),
    "change-password": ("Password", "密码"),
    "change-password/ada": ("Set the password of ada", "设置 ada 的密码"),
    "authorize": ("Accounts", "账户"),
    "accounts/bulk?action=create": ("Create accounts", "创建账户"),
    "accounts/bulk?action=reset": ("Reset passwords", "重置密码"),
    "accounts/delete/ada": ("Delete the account &#34;ada&#34;?", "删除账户“ada”？"),
    "admin": ("Admin", "管理"),
    "no-such-page": ("404 : Not Found", "404 : 未找到"),
}
"""The pages of the Hub, and what tabs, bookmarks and screen readers call them."""
SIGNED_OUT = {"login", "signup"}


def test_each_page_has_a_title_of_its_own(hub, admin, member):
    member("ada")
    for language, position in (("en", 0), ("zh-CN", 1)):
        header = {"Accept-Language": language}
        found = {}
        for path in PAGES:
            browser = httpx if path in SIGNED_OUT else admin.http
            url = f"{hub.url}/hub/{path}"
            found[path] = title(browser.get(url, headers=header, follow_redirects=True).text)
        assert found == {path: f"{titles[position]} – JupyterHub" for path, titles in PAGES.items()}


WRONG = (
    "The user name or the password is wrong. Try again; an administrator can reset your password."
)


def test_a_screen_reader_reads_why_a_sign_in_failed(hub):
    for headers, text in (
        ({}, WRONG),
        (CHINESE, "用户名或密码错误。请重试；管理员可以重置您的密码。"),
    ):
        gus = HubClient(hub.url, "gus", "wrong")
        gus.http.headers.update(headers)
        assert 'role="alert"' not in gus.http.get("/hub/login").text
        page = gus.try_to_sign_in().text
        alert = re.search(r'<p class="login_error" id="([\w-]+)" role="alert">([^<]*)</p>', page)
        assert alert is not None
        assert alert[2] == text
        # The page begins with the focus in this field, and its description is read with it.
        field = re.search(r'<input id="username_input"[^>]*>', page, re.DOTALL)
        assert field is not None
        assert f'aria-describedby="{alert[1]}"' in field[0]
