"""What administrators do on the Accounts page, and that it holds at once."""

from __future__ import annotations

import html
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from harness.desk_process import DeskProcess
from harness.hub_client import HubClient
from harness.hub_process import PASSWORD
from harness.waiting import wait_for
from hub.conftest import GPUS

ADMIN_PASSWORD = "battery-staple-horse"


@pytest.fixture(scope="module")
def hub(new_module_hub):
    return new_module_hub(
        gpus=GPUS[:1], AUTHENTICATOR="native", ADMIN_PASSWORD=ADMIN_PASSWORD
    ).start()


@pytest.fixture(scope="module")
def admin(hub):
    return HubClient(hub.url, "admin", ADMIN_PASSWORD).sign_in()


@pytest.fixture
def member(hub, admin):
    """Make a user with an account."""

    def make(name):
        user = HubClient(hub.url, name, PASSWORD)
        user.sign_up()
        admin.authorize(name)
        return user.sign_in()

    return make


def change(admin, what, name, **fields):
    return admin.change_account(f"accounts/{what}", name, **fields)


def listed(admin, where):
    """Return the names in one of the lists on the Accounts page."""
    page = admin.page("/hub/authorize").text
    _, found, rest = page.partition(f'id="gpudock-{where}"')
    part = rest.partition("<h2")[0] if found else ""
    return [line.split('id="')[1].split('"')[0] for line in part.splitlines() if "<li " in line]


def kinds(hub, name):
    """Return what the audit trail has of an account, the latest last."""
    return [entry.what for entry in hub.audit("account")[::-1] if entry.target == name]


def test_a_deactivated_user_loses_all_access_at_once(hub, admin, member):
    ada = member("ada")
    ada.start_server(gpus=1)
    token = ada.api("POST", "/users/ada/tokens").json()["token"]
    server_token = hub.docker.running[0].environment["JUPYTERHUB_API_TOKEN"]
    assert "/user/ada/" in hub.routes()
    assert "Also stop running servers" in admin.page("/hub/accounts/deactivate/ada").text
    change(admin, "deactivate", "ada").raise_for_status()
    for found in (token, server_token):
        headers = {"Authorization": f"token {found}"}
        assert httpx.get(f"{hub.url}/hub/api/user", headers=headers).status_code == 403
    assert ada.page("/hub/home").status_code == 302
    assert "has deactivated your account" in ada.try_to_sign_in().text
    # The server still runs, and nobody reaches it.
    assert "ada" in hub.leases()
    assert "/user/ada/" not in hub.routes()
    assert listed(admin, "deactivated") == ["ada"]
    assert "ada" not in listed(admin, "waiting") + listed(admin, "members")
    change(admin, "activate", "ada").raise_for_status()
    wait_for(lambda: "/user/ada/" in hub.routes(), "the server can be reached again")
    ada.sign_in()
    assert listed(admin, "deactivated") == []
    ada.stop_server()
    assert kinds(hub, "ada") == ["account.approve", "account.deactivate", "account.activate"]


def test_a_deactivated_user_loses_open_pages_of_the_desk_at_once(hub, admin, member):
    """The desk keeps the Hub's answer on who somebody is, and this is no reason to wait."""
    token = member("ada").api("POST", "/users/ada/tokens").json()["token"]
    desk = DeskProcess(hub).start()
    try:

        def answer():
            headers = {"Authorization": f"token {token}"}
            return httpx.get(f"{desk.direct}{desk.prefix}api/v1/leases", headers=headers)

        assert answer().status_code == httpx.codes.OK
        change(admin, "deactivate", "ada").raise_for_status()
        wait_for(lambda: answer().status_code == httpx.codes.FORBIDDEN, "access ends", 10)
        assert "deactivated your account" in answer().json()["message"]
    finally:
        desk.close()
        change(admin, "activate", "ada").raise_for_status()


def test_servers_and_waits_of_a_deactivated_user_end(hub, admin, member):
    bob, cleo = member("bob"), member("cleo")
    bob.start_server(gpus=1)
    cleo.ask_for_server(gpus=1)
    wait_for(lambda: hub.queue() == ["cleo"], "Cleo waits")
    # Without the tick: a wait is over in any case.
    change(admin, "deactivate", "cleo").raise_for_status()
    wait_for(lambda: not hub.queue(), "nobody waits")
    change(admin, "deactivate", "bob", stop="yes").raise_for_status()
    wait_for(lambda: not hub.leases(), "the GPU is free")
    answer = admin.api("POST", "/users/bob/server", {"gpus": 0})
    assert answer.status_code == 403
    assert "deactivated" in answer.json()["message"]
    # It holds after a restart, too.
    hub.stop()
    hub.start()
    admin.sign_in()
    assert listed(admin, "deactivated") == ["bob", "cleo"]
    assert "has deactivated your account" in bob.try_to_sign_in().text


def test_administrators_are_made_and_unmade(hub, admin, member):
    dan = member("dan")
    assert dan.page("/hub/authorize").status_code == 403
    change(admin, "admin", "dan").raise_for_status()
    assert dan.page("/hub/authorize").status_code == 200
    for name, sentence in (
        ("dan", "your own administrator rights"),
        ("admin", "GPUDOCK_ADMIN"),
    ):
        answer = change(dan, "no-admin", name)
        assert answer.status_code == 409
        assert sentence in answer.text
    for what in ("deactivate", "delete"):
        assert change(dan, what, "admin").status_code == 409
        assert change(dan, what, "dan").status_code == 409
        assert "own account" in dan.page(f"/hub/accounts/{what}/dan").text
    change(admin, "no-admin", "dan").raise_for_status()
    assert dan.page("/hub/authorize").status_code == 403
    assert kinds(hub, "dan") == ["account.approve", "account.admin", "account.admin"]


def test_a_name_is_not_given_again_together_with_the_files(hub, admin, member):
    eve = member("eve")
    eve.start_server(gpus=0)
    answer = change(admin, "delete", "eve")
    assert answer.status_code == 409
    assert "running server" in answer.text
    eve.stop_server()
    hub.docker.volumes["gpudock-workspace-eve"] = 12_300_032
    hub.set_quota("user", "eve", {"max_gpus": 8})
    assert "12.3 MB" in admin.page("/hub/accounts/delete/eve").text
    change(admin, "delete", "eve").raise_for_status()
    assert "gpudock-workspace-eve" in hub.docker.volumes
    (unset,) = hub.audit("quota.unset")
    assert (unset.by, unset.target) == ("admin", "user/eve")
    stranger = HubClient(hub.url, "eve", "a-strangers-password")
    stranger.sign_up()
    page = admin.change_account("authorize", "eve", approved="yes")
    assert "earlier account" in page.text
    assert "12.3 MB" in page.text
    assert "has not approved" in stranger.try_to_sign_in().text
    assert "earlier account" in admin.change_account("authorize", "eve", files="maybe").text
    admin.change_account("authorize", "eve", files="delete").raise_for_status()
    assert "gpudock-workspace-eve" not in hub.docker.volumes
    stranger.sign_in()
    hub.docker.volumes["gpudock-workspace-eve"] = 1
    change(admin, "delete", "eve", files="yes").raise_for_status()
    assert "gpudock-workspace-eve" not in hub.docker.volumes
    assert kinds(hub, "eve")[1:] == [
        "account.delete", "account.files", "account.approve", "account.files", "account.delete",
    ]  # fmt: skip


def test_an_engine_that_does_not_answer_gives_no_files_away(hub, admin):
    HubClient(hub.url, "finn", PASSWORD).sign_up()
    hub.docker.fail("volumes", 500, "cannot look")
    answer = admin.change_account("authorize", "finn", approved="yes")
    hub.docker.forget_plans()
    assert answer.status_code == 503
    assert "Nothing was changed" in answer.text
    assert "finn" in listed(admin, "waiting")
    admin.change_account("discard", "finn").raise_for_status()
    assert kinds(hub, "finn") == ["account.reject"]


def test_many_accounts_are_created_and_get_new_passwords(hub, admin, member):
    member("gus")
    hub.docker.volumes["gpudock-workspace-hal"] = 1

    def send(action, text, **fields):
        form = {"action": action, "names": text, "_xsrf": admin._xsrf(), **fields}
        return admin.http.post("/hub/accounts/bulk", data=form)

    text = "user;course\nIda;ML\ngus;ML\nhal;ML\n-x;ML\nida;ML\njan@uni.de;ML\n"
    page = send("create", text).text
    assert "2 of 5 accounts will be created" in page
    assert [s in page for s in ("Exists already", "Not a valid", "earlier account")] == [True] * 3
    assert not {"ida", "jan@uni.de"} & set(listed(admin, "members"))
    answer = send("create", text, confirmed="yes")
    assert answer.headers["Cache-Control"] == "no-store"
    made = passwords(answer.text)
    assert list(made) == ["ida", "jan@uni.de"]
    ida = HubClient(hub.url, "ida", made["ida"])
    # The password is good once: it leads to the page for another one.
    assert ida.try_to_sign_in().url.path == "/hub/change-password"
    assert ida.try_to_sign_in().url.path == "/hub/change-password"
    ida.change_password("my-own-password")
    assert ida.try_to_sign_in().url.path != "/hub/change-password"
    page = send("reset", "ida\nadmin\nnobody", confirmed="").text
    assert "1 of 3 passwords will be reset" in page
    again = passwords(send("reset", "ida\nadmin\nnobody", confirmed="yes").text)
    assert list(again) == ["ida"]
    assert ida.page("/hub/home").status_code == 302
    assert HubClient(hub.url, "ida", again["ida"]).try_to_sign_in().url.path == (
        "/hub/change-password"
    )
    assert kinds(hub, "ida") == ["account.create", "account.password"]
    for action, sent in (("create", ""), ("create", "\n".join(f"u{n}" for n in range(301)))):
        assert 'role="alert"' in send(action, sent).text
    log = hub.log.read_text()
    assert not [password for password in (*made.values(), *again.values()) if password in log]


def test_a_list_that_is_sent_twice_gives_each_account_one_password(hub, admin):
    def send(action, text):
        form = {"action": action, "names": text, "_xsrf": admin._xsrf(), "confirmed": "yes"}
        return admin.http.post("/hub/accounts/bulk", data=form)

    text = "\n".join(f"twin{n}" for n in range(8))
    with ThreadPoolExecutor(2) as pool:
        for action in ("create", "reset"):
            answers = list(pool.map(lambda _: send(action, text), range(2)))  # noqa: B023
            first, second = (passwords(answer.text) for answer in answers)
            assert first == second
            assert len(first) == 8
    assert kinds(hub, "twin7") == ["account.create", "account.password"]
    assert HubClient(hub.url, "twin7", second["twin7"]).try_to_sign_in().url.path == (
        "/hub/change-password"
    )


def test_a_list_is_refused_while_another_one_is_worked_on(hub, admin):
    def send(text):
        form = {"action": "create", "names": text, "_xsrf": admin._xsrf(), "confirmed": "yes"}
        return admin.http.post("/hub/accounts/bulk", data=form)

    with ThreadPoolExecutor(2) as pool:
        lists = ("\n".join(f"{kind}{n}" for n in range(8)) for kind in ("left", "right"))
        answers = sorted(pool.map(send, lists), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [200, 409]
    assert len(passwords(answers[0].text)) == 8
    assert "are being changed" in answers[1].text


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("/hub/spawn?gpus=1&image=a%26b", "/hub/spawn?gpus=1&amp;image=a%26b"),
        ("/services/gpudock/queue#mine", "/services/gpudock/queue#mine"),
        ("https://example.com/", "/hub/home"),
        ("javascript:alert(1)", "/hub/home"),
        ("/hub/change-password", "/hub/home"),
        ("/hub/", "/hub/home"),
        ("/", "/hub/home"),
    ],
)
def test_who_chooses_a_password_goes_on_to_the_page_they_wanted(hub, admin, wanted, found):
    form = {"action": "create", "names": "nora", "_xsrf": admin._xsrf(), "confirmed": "yes"}
    made = passwords(admin.http.post("/hub/accounts/bulk", data=form).text)
    form["action"] = "reset"
    made = made or passwords(admin.http.post("/hub/accounts/bulk", data=form).text)
    nora = HubClient(hub.url, "nora", made["nora"])
    nora.http.get("/hub/login")
    sign_in = {"username": "nora", "password": made["nora"], "_xsrf": nora._xsrf()}
    page = nora.http.post("/hub/login", params={"next": wanted}, data=sign_in)
    assert page.url.path == "/hub/change-password"
    action = html.unescape(page.text.split('<form action="')[1].split('"')[0])
    new = {"old_password": "wrong", "_xsrf": nora._xsrf()}
    new |= dict.fromkeys(("new_password", "new_password_confirmation"), "my-own-password")
    refused = nora.http.post(action, data=new)  # it is not lost then, either
    action = html.unescape(refused.text.split('<form action="')[1].split('"')[0])
    done = nora.http.post(action, data={**new, "old_password": made["nora"]})
    assert "alert-success" in done.text
    label = "Go to My GPUs" if found == "/hub/home" else "Continue"
    assert f'href="{found}">{label}' in done.text


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "gbk"])
def test_a_file_of_a_spreadsheet_is_read_beside_a_pasted_list(hub, admin, encoding):
    note = {"utf-16": "Müßig", "cp1252": "Müßig", "gbk": "王小明"}[encoding]
    file = f"Username;Note\r\nmax;{note}\r\n".encode(encoding)
    form = {"action": "create", "names": "name\nlea", "_xsrf": admin._xsrf()}
    page = admin.http.post("/hub/accounts/bulk", data=form, files={"file": ("x.csv", file)}).text
    assert "2 of 2 accounts will be created" in page
    assert 'value="lea\nmax"' in page


def test_a_list_that_is_no_list_is_refused_with_a_sentence(hub, admin):
    form = {"action": "create", "names": "", "_xsrf": admin._xsrf()}
    files = {"file": ("x.xlsx", b"PK\x03\x04\0\0\0\0workbook")}
    page = admin.http.post("/hub/accounts/bulk", data=form, files=files)
    assert page.status_code == 200
    assert "This is not a text file." in page.text
    form["names"] = '"' + "x" * 200_000
    page = admin.http.post("/hub/accounts/bulk", data=form)
    assert page.status_code == 200
    assert "Check its quotation marks." in page.text


def passwords(page):
    rows = [line for line in page.splitlines() if "<code>" in line]
    return {
        row.split('">')[1].split("</td>")[0]: row.split("<code>")[1].split("</code>")[0]
        for row in rows
    }


def test_users_without_an_account_are_not_added(hub, admin):
    for path, body in (("/users/kim", None), ("/users", {"usernames": ["kim"]})):
        answer = admin.api("POST", path, body)
        assert answer.status_code == 409
        assert "/hub/accounts/bulk" in answer.json()["message"]


@pytest.mark.parametrize("what", ["activate", "deactivate", "delete", "admin", "no-admin"])
def test_a_link_changes_nothing(hub, admin, member, what):
    name = f"lee-{what}"
    member(name)
    assert admin.page(f"/hub/accounts/{what}/{name}").status_code == 200
    forged = {"stop": "yes", "_xsrf": "guessed"}
    assert admin.http.post(f"/hub/accounts/{what}/{name}", data=forged).status_code == 403
    assert change(admin, what, "nobody-of-that-name").status_code == 404
    assert kinds(hub, name) == ["account.approve"]
    assert name in listed(admin, "members")


def test_a_sign_up_that_needs_no_approval_is_held_if_there_are_files(new_hub):
    hub = new_hub(
        extra="c.GPUDockAuthenticator.open_signup = True\n", AUTHENTICATOR="native"
    ).start()
    hub.docker.volumes["gpudock-workspace-mia"] = 1
    for name, held in (("mia", True), ("noa", False)):
        user = HubClient(hub.url, name, PASSWORD)
        user.sign_up()
        assert ("has not approved" in user.try_to_sign_in().text) is held


def test_a_deactivated_user_does_not_activate_the_account_by_an_e_mail(new_hub):
    extra = """
c.GPUDockAuthenticator.ask_email_on_signup = True
c.GPUDockAuthenticator.allow_self_approval_for = "^.*@uni[.]de$"
c.GPUDockAuthenticator.secret_key = "a-very-long-and-really-secret-key"
from gpudock.hub.accounts import GPUDockAuthenticator
def keep_link(self, address, url):
    with open("link", "w") as file:
        file.write(url)
GPUDockAuthenticator.send_approval_email = keep_link
"""
    hub = new_hub(extra=extra, AUTHENTICATOR="native", ADMIN_PASSWORD=ADMIN_PASSWORD).start()
    admin = HubClient(hub.url, "admin", ADMIN_PASSWORD).sign_in()
    ola = HubClient(hub.url, "ola", PASSWORD)
    ola.http.get("/hub/signup")
    form = {
        "username": "ola",
        "email": "ola@uni.de",
        "signup_password": PASSWORD,
        "signup_password_confirmation": PASSWORD,
        "_xsrf": ola._xsrf(),
    }
    ola.http.post("/hub/signup", data=form)
    link = (hub.state / "link").read_text()
    path = link[link.index("/confirm/") :]
    assert "ola has been authorized!" in ola.http.get(f"/hub{path}").text
    ola.http.headers["Accept-Language"] = "zh"
    assert "ola 此前已获授权。" in ola.http.get(f"/hub{path}").text
    assert "此链接无效或已过期。" in ola.http.get(f"/hub{path}x").text
    del ola.http.headers["Accept-Language"]
    ola.sign_in()
    change(admin, "deactivate", "ola").raise_for_status()
    assert ola.http.get(f"/hub{path}").status_code == 403
    assert "has deactivated your account" in ola.try_to_sign_in().text
