"""The lab's own accounts: the first administrator, signing up, and who may change what."""

from __future__ import annotations

import stat

import httpx
import pytest

from harness.hub_client import HubClient
from harness.hub_process import PASSWORD

NEW_PASSWORD = "battery-staple-horse"
LONG_PASSWORD = "x" * 72 + "correct-horse-battery"

# Keeps which threads of the hub hash passwords.
RECORD_THREADS = """
import threading
import bcrypt

def recorded(function):
    def call(*arguments):
        with open("bcrypt-threads", "a") as file:
            file.write(threading.current_thread().name + "\\n")
        return function(*arguments)
    return call

bcrypt.hashpw, bcrypt.checkpw = recorded(bcrypt.hashpw), recorded(bcrypt.checkpw)
"""


@pytest.fixture(scope="module")
def native_hub(new_module_hub):
    return new_module_hub(gpus=(), extra=RECORD_THREADS, AUTHENTICATOR="native").start()


@pytest.fixture(scope="module")
def one_time_password(native_hub):
    """The password of a fresh lab, read before any test uses it."""
    file = native_hub.state / "admin-password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return file.read_text().strip()


@pytest.fixture(scope="module")
def admin(native_hub, one_time_password):
    """The administrator, who goes the way that a fresh lab leads."""
    file = native_hub.state / "admin-password"
    native_hub.stop()
    native_hub.start()
    assert file.read_text().strip() == one_time_password, "a second start makes no new one"
    client = HubClient(native_hub.url, "admin", one_time_password)
    page = client.try_to_sign_in()
    assert page.url.path == "/hub/change-password"
    assert "You have a one-time password." in page.text
    client.change_password(NEW_PASSWORD)
    assert not file.exists()
    text = client.page("/hub/change-password").text
    assert "Current password" in text
    assert "one-time" not in text
    return client


def test_the_first_administrator_is_led_to_a_password_of_their_own(native_hub, admin):
    assert admin.api("GET", "/users").status_code == 200
    HubClient(native_hub.url, "admin", NEW_PASSWORD).sign_in()


def test_the_one_time_password_is_good_for_nothing_afterwards(native_hub, admin, one_time_password):
    page = HubClient(native_hub.url, "admin", one_time_password).try_to_sign_in()
    assert "The user name or the password is wrong." in page.text


def test_passwords_are_never_in_the_log(native_hub, admin, one_time_password):
    log = native_hub.log.read_text()
    assert one_time_password not in log
    assert NEW_PASSWORD not in log
    assert str(native_hub.state / "admin-password") in log


def test_a_space_after_the_name_is_no_part_of_it(native_hub, admin):
    eve = HubClient(native_hub.url, "eve ", PASSWORD)
    assert "as soon as an administrator has approved you" in eve.sign_up()
    admin.authorize("eve")
    eve.sign_in()
    assert eve.api("GET", "/user").json()["name"] == "eve"


def test_no_page_of_the_hub_stays_in_a_browser(native_hub, admin):
    pages = ["/hub/login", "/hub/authorize", "/hub/token", "/hub/no-such-page", "/hub/api/user"]
    for page in pages:
        headers = admin.http.get(page, follow_redirects=False).headers
        assert headers["Cache-Control"] == "no-store", page
        assert headers["Vary"] == "Accept-Language", page
    assert "no-store" not in admin.http.get("/hub/logo").headers.get("Cache-Control", "")


def test_a_form_of_an_earlier_sign_in_says_what_to_do(native_hub, admin):
    stale = admin._xsrf()
    # Another tab signs out and in again.
    admin.http.get("/hub/logout")
    admin.sign_in()
    form = {"_xsrf": stale, "action": "create", "names": "zoe"}
    answer = admin.http.post("/hub/accounts/bulk", data=form)
    assert answer.status_code == 403
    assert "Go back, reload the page, and try again." in answer.text
    del form["_xsrf"]
    assert "the page is out of date" in admin.http.post("/hub/accounts/bulk", data=form).text
    # A sign-in page is shown again, with what can be filled in.
    again = HubClient(native_hub.url, "admin", NEW_PASSWORD)
    form = {"username": "admin", "password": NEW_PASSWORD, "_xsrf": stale}
    assert (
        "Login form invalid or expired. Try again." in again.http.post("/hub/login", data=form).text
    )


def test_a_new_user_waits_for_approval(native_hub, admin):
    ada = HubClient(native_hub.url, "ada", PASSWORD)
    ada.sign_up()
    assert "An administrator has not approved your account." in ada.try_to_sign_in().text
    admin.authorize("ada")
    ada.sign_in()


def test_only_administrators_see_how_many_accounts_wait(native_hub, admin):
    def pending(client):
        return client.page("/hub/gpudock/pending-accounts")

    before = pending(admin).json()["pending"]
    HubClient(native_hub.url, "newcomer", PASSWORD).sign_up()
    assert pending(admin).json() == {"pending": before + 1}
    admin.authorize("newcomer")
    assert pending(admin).json() == {"pending": before}
    newcomer = HubClient(native_hub.url, "newcomer", PASSWORD).sign_in()
    assert pending(newcomer).status_code == 403


@pytest.mark.parametrize("act", ["authorize", "discard"])
def test_accounts_are_changed_from_the_labs_own_pages_only(native_hub, admin, act):
    name = f"eve-{act}"
    eve = HubClient(native_hub.url, name, PASSWORD)
    eve.sign_up()
    # By a link, wherever it stands; and by a form that does not know the XSRF token.
    assert admin.http.get(f"/hub/{act}/{name}").status_code == 405
    forged = {"approved": "yes", "_xsrf": "guessed"}
    assert admin.http.post(f"/hub/{act}/{name}", data=forged).status_code == 403
    # Neither approved nor discarded.
    assert "An administrator has not approved your account." in eve.try_to_sign_in().text
    admin.change_account("discard", name).raise_for_status()


def test_wrong_passwords_are_counted_for_each_account(native_hub, admin):
    for name in ("victim", "neighbor"):
        HubClient(native_hub.url, name, PASSWORD).sign_up()
        admin.authorize(name)
    for _ in range(5):
        HubClient(native_hub.url, "victim", "a wrong one").try_to_sign_in()
    refused = HubClient(native_hub.url, "victim", PASSWORD).try_to_sign_in()
    assert "Too many wrong passwords. Try again in 5 minutes." in refused.text
    HubClient(native_hub.url, "neighbor", PASSWORD).sign_in()


def test_an_address_that_is_made_up_gives_no_more_tries(native_hub, admin):
    name = "guessed"
    HubClient(native_hub.url, name, PASSWORD).sign_up()
    admin.authorize(name)
    for number in range(6):
        guess = HubClient(native_hub.url, name, "a wrong one")
        guess.http.headers["X-Real-Ip"] = f"192.0.2.{number}"
        page = guess.try_to_sign_in()
    assert "Too many wrong passwords." in page.text


def test_a_container_locks_nobody_out_by_a_header_of_its_own(native_hub, admin):
    name = "target"
    HubClient(native_hub.url, name, PASSWORD).sign_up()
    admin.authorize(name)
    home = {"X-Forwarded-For": "198.51.100.7"}
    attacker = HubClient(native_hub.url, name, "a wrong one")
    # Not the proxy's address, so it is one of a user's container.
    attacker.http = httpx.Client(
        base_url=native_hub.url,
        transport=httpx.HTTPTransport(local_address="127.0.0.2"),
        headers=home,
        follow_redirects=True,
    )
    for _ in range(6):
        page = attacker.try_to_sign_in()
    assert "Too many wrong passwords." in page.text
    user = HubClient(native_hub.url, name, PASSWORD)
    user.http.headers.update(home)
    user.sign_in()


def test_passwords_are_hashed_beside_the_event_loop(native_hub, admin):
    name = "hasher"
    user = HubClient(native_hub.url, name, PASSWORD)
    threads = native_hub.state / "bcrypt-threads"
    threads.unlink()
    user.sign_up()
    admin.authorize(name)
    user.sign_in()
    user.change_password(NEW_PASSWORD)
    admin.set_password(name, PASSWORD)
    HubClient(native_hub.url, "nobody", PASSWORD).try_to_sign_in()
    found = threads.read_text().split()
    assert len(found) >= 6
    assert not [thread for thread in found if not thread.startswith("bcrypt")]


def test_wrong_current_passwords_count_as_at_the_sign_in(native_hub, admin):
    name = "left-unlocked"
    user = HubClient(native_hub.url, name, PASSWORD)
    user.sign_up()
    admin.authorize(name)
    user.sign_in()
    for _ in range(5):
        answer = user.send_password_form("a wrong one", NEW_PASSWORD)
        assert "Your current password was incorrect." in answer.text
    refused = user.send_password_form(PASSWORD, NEW_PASSWORD)
    assert refused.status_code == 429
    assert "Too many wrong passwords. Try again in 5 minutes." in refused.text


def test_every_character_of_a_long_password_counts(native_hub, admin):
    name = "long-winded"
    user = HubClient(native_hub.url, name, LONG_PASSWORD)
    user.sign_up()
    admin.authorize(name)
    user.sign_in()
    other = HubClient(native_hub.url, name, LONG_PASSWORD[:-1] + "!")
    assert "The user name or the password is wrong." in other.try_to_sign_in().text
    user.change_password(LONG_PASSWORD + "!")
    HubClient(native_hub.url, name, LONG_PASSWORD + "!").sign_in()


def desk_token(hub, user):
    """Sign a browser of the Hub in to the desk, as the desk does; return its token."""
    redirect = "/services/gpudock/oauth_callback"
    query = {"client_id": "service-gpudock", "redirect_uri": redirect, "response_type": "code"}
    answer = user.page("/hub/api/oauth2/authorize", **query)
    code = httpx.URL(answer.headers["Location"]).params["code"]
    secret = (hub.state / "shared" / "desk-token").read_text().strip()
    form = {
        "client_id": "service-gpudock",
        "client_secret": secret,
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect,
    }
    answer = httpx.post(f"{hub.url}/hub/api/oauth2/token", data=form)
    return answer.raise_for_status().json()["access_token"]


def token_works(hub, token):
    headers = {"Authorization": f"token {token}"}
    return httpx.get(f"{hub.url}/hub/api/user", headers=headers).status_code == 200


@pytest.mark.parametrize("by", ["user", "administrator"])
def test_a_new_password_ends_all_other_sessions(native_hub, admin, by):
    name = f"two-browsers-of-{by}"
    here, there = (HubClient(native_hub.url, name, PASSWORD) for _ in range(2))
    here.sign_up()
    admin.authorize(name)
    tokens = {}
    for browser in (here, there):
        browser.sign_in()
        tokens[browser.http] = desk_token(native_hub, browser)
    program = here.api("POST", f"/users/{name}/tokens").json()["token"]
    if by == "user":
        here.change_password(NEW_PASSWORD)
        assert here.api("POST", f"/users/{name}/tokens").status_code == 201
    else:
        admin.set_password(name, NEW_PASSWORD)
        assert admin.api("GET", "/users").status_code == 200
    stays = by == "user"
    for browser, works in ((here, stays), (there, False)):
        signed_in = browser.page("/hub/home").status_code == 200
        assert (signed_in, token_works(native_hub, tokens[browser.http])) == (works, works)
    assert token_works(native_hub, program)


def test_who_is_no_administrator_lets_nobody_in(native_hub, admin):
    mallory, friend = (HubClient(native_hub.url, name, PASSWORD) for name in ("mallory", "friend"))
    for user in (mallory, friend):
        user.sign_up()
    admin.authorize("mallory")
    mallory.sign_in()
    answer = mallory.change_account("authorize", "friend", approved="yes")
    assert answer.status_code == 403
    assert "An administrator has not approved your account." in friend.try_to_sign_in().text


@pytest.mark.parametrize(
    "name",
    ["../x", "{0}", "a" * 200, "Zoë", "a b", "<b>x</b>", "-rf", ""],
    ids=lambda name: name[:12],
)
def test_a_hostile_name_is_refused_with_a_sentence(native_hub, admin, name):
    page = HubClient(native_hub.url, name, PASSWORD).sign_up()
    assert "A user name has" in page
    assert name == "" or f"/hub/authorize/{name}" not in admin.page("/hub/authorize").text


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("short", "The password is too short. Use at least 10 characters."),
        ("password123", "The password is a common one, and easy to guess."),
    ],
)
def test_a_weak_password_is_refused_with_a_sentence(native_hub, password, sentence):
    assert sentence in HubClient(native_hub.url, "weak", password).sign_up()
