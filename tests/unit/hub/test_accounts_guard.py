"""Guessing passwords: where somebody seems to come from gives them no more tries."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace

import pytest
from jupyterhub import orm
from tornado import web
from tornado.httputil import HTTPHeaders
from traitlets.config import Config

from gpudock.hub.accounts import GPUDockAuthenticator
from gpudock.hub.accounts.guard import ACCOUNTS, EVERYWHERE, Allowance, Guard
from gpudock.hub.accounts.passwords import BusyError, PasswordThreads
from gpudock.hub.accounts.proxies import ProxyAddresses, address_of

pytestmark = pytest.mark.integration  # hashing a password takes tenths of a second

PASSWORD = "correct-horse-battery"
MINUTES = 5


class Ticks:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def guard(ticks: Ticks) -> Guard:
    return Guard(5, MINUTES * 60.0, ticks)


PROXY = "172.30.0.2"
CONTAINER = "172.30.0.9"


def headers(*forwarded: str, peer: str = PROXY, **others: str) -> SimpleNamespace:
    found = HTTPHeaders({name.replace("_", "-"): value for name, value in others.items()})
    for line in forwarded:
        found.add("X-Forwarded-For", line)
    connection = SimpleNamespace(context=SimpleNamespace(address=(peer, 50000)))
    return SimpleNamespace(headers=found, remote_ip="made up", connection=connection)


@pytest.mark.parametrize(
    ("request_", "address"),
    [
        (headers("10.0.0.7"), "10.0.0.7"),
        (headers("6.6.6.6, 10.0.0.7"), "10.0.0.7"),
        (headers("6.6.6.6", "10.0.0.7"), "10.0.0.7"),
        (headers("10.0.0.7", X_Real_Ip="6.6.6.6"), "10.0.0.7"),
        (headers("6.6.6.6, 10.0.0.7, 192.0.2.1"), "10.0.0.7"),
        (headers("192.0.2.1"), PROXY),
        (headers(X_Real_Ip="6.6.6.6"), PROXY),
        (headers(","), PROXY),
        (headers("10.0.0.7", peer=CONTAINER), CONTAINER),
        (headers("10.0.0.7", peer=CONTAINER, X_Real_Ip="6.6.6.6"), CONTAINER),
        (headers(peer=CONTAINER), CONTAINER),
    ],
)
def test_only_what_the_proxy_says_of_an_address_counts(request_, address):
    assert address_of(request_, {PROXY}, ["192.0.2.1"]) == address


PROXY_6 = "fd00:30::2"


@pytest.mark.parametrize(
    ("request_", "address"),
    [
        # The proxy listens for both versions with one socket, which writes IPv4 like this.
        (headers("::ffff:10.0.0.7"), "10.0.0.7"),
        (headers("10.0.0.7", peer="::ffff:" + PROXY), "10.0.0.7"),
        (headers("10.0.0.7, ::ffff:192.0.2.1"), "10.0.0.7"),
        # A host has a whole /64 and can use another address in it for each attempt.
        (headers("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64"),
        (headers("2001:DB8:1:2::9"), "2001:db8:1:2::/64"),
        (headers("2001:db8:1:3::9", peer=PROXY_6), "2001:db8:1:3::/64"),
        (headers("2001:db8:1:3::9", peer="FD00:0030:0::2%eth0"), "2001:db8:1:3::/64"),
        (headers("2001:db8:1:3::9", peer="fd00:30::9"), "fd00:30::/64"),
        (headers("2001:db8::7, 2001:DB8:ffff:0::1"), "2001:db8::/64"),
        # Some servers in front of the proxy add ports.
        (headers("[2001:db8:1:2::9]:4711"), "2001:db8:1:2::/64"),
        (headers("10.0.0.7:4711"), "10.0.0.7"),
        (headers("2001:db8:1:2::9, 192.0.2.1:4711"), "2001:db8:1:2::/64"),
        (headers("fe80::1%eth0"), "fe80::/64"),
        (headers("unknown"), "unknown"),
        (headers("x" * 500), "x" * 64),
    ],
)
def test_an_address_is_the_same_in_every_spelling_and_a_network_in_ipv6(request_, address):
    found = address_of(request_, {PROXY, PROXY_6}, ["192.0.2.1", "2001:db8:ffff::1"])
    assert found == address


async def test_a_proxy_that_gets_another_address_is_found_again(monkeypatch, ticks):
    addresses = {"proxy-api": "172.30.0.2", "proxy-lab": "172.31.0.2"}

    async def look_up(name, *_arguments, **_options):
        if name not in addresses:
            raise socket.gaierror
        return [(None, None, 0, "", (addresses[name], 0))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    proxies = ProxyAddresses(["proxy-api", "proxy-lab"], ticks)
    assert await proxies.get() == {"172.30.0.2", "172.31.0.2"}
    del addresses["proxy-api"]
    addresses["proxy-lab"] = "172.31.0.5"
    ticks.now += 60
    assert await proxies.get() == {"172.31.0.5"}


async def test_without_a_proxy_no_address_is_the_proxys():
    assert await ProxyAddresses(["does-not-exist.invalid"]).get() == frozenset()


def test_an_address_has_some_tries_and_waits_then(guard, ticks):
    for _ in range(5):
        assert guard.wait("ada", "home") == 0
        guard.count_failure("ada", "home")
    assert guard.wait("ada", "home") == MINUTES * 60
    assert guard.wait("ada", "work") == guard.wait("bob", "home") == 0
    ticks.now += MINUTES * 60
    assert guard.wait("ada", "home") == 0
    for _ in range(5):
        guard.count_failure("ada", "home")
    assert guard.wait("ada", "home") > 0


def test_whoever_makes_up_addresses_gets_no_more_tries(guard, ticks):
    tries = 0
    while not guard.wait("ada", f"6.6.6.{tries}"):
        guard.count_failure("ada", f"6.6.6.{tries}")
        tries += 1
        assert tries <= 5 * EVERYWHERE
    ticks.now += MINUTES * 60 - 1
    assert guard.wait("ada", "6.6.7.1") == 1


def test_nobody_shuts_out_somebody_who_has_signed_in_from_there(guard):
    guard.count_success("ada", "home")
    for number in range(5 * EVERYWHERE):
        guard.count_failure("ada", f"6.6.6.{number}")
    assert guard.wait("ada", "home") == 0
    guard.count_success("ada", "home")
    assert guard.wait("ada", "work") > 0


def test_a_right_password_begins_anew(guard):
    for _ in range(4):
        guard.count_failure("ada", "home")
    guard.count_success("ada", "home")
    guard.count_failure("ada", "home")
    assert guard.wait("ada", "home") == 0


def test_an_address_that_tries_ever_other_accounts_waits_too(guard, ticks):
    guard.count_success("ada", "home")
    for number in range(5 * ACCOUNTS):
        assert guard.wait(f"user-{number}", "home") == 0
        guard.count_failure(f"user-{number}", "home")
    assert guard.wait("bob", "home") > 0
    # Users who have signed in from there are not blocked, and other addresses are not either.
    assert guard.wait("ada", "home") == guard.wait("bob", "work") == 0
    ticks.now += guard.wait("bob", "home")
    assert guard.wait("bob", "home") == 0


def test_an_attempt_that_was_not_checked_does_not_count(guard):
    for number in range(50 * ACCOUNTS):
        guard.count_failure("ada", "home")
        guard.forget_attempt("ada", "home")
        guard.count_failure(f"user-{number}", "home")
        guard.forget_attempt(f"user-{number}", "home")
    assert guard.wait("ada", "home") == guard.wait("bob", "home") == 0


def test_an_allowance_comes_back_evenly(ticks):
    allowance = Allowance(10, 100.0, ticks)
    for _ in range(10):
        assert allowance.wait("home") == 0
        allowance.take("home")
    assert allowance.wait("home") == pytest.approx(10.0)
    assert allowance.wait("work") == 0
    ticks.now += 10
    assert allowance.wait("home") == 0
    allowance.take("home")
    assert allowance.wait("home") == pytest.approx(10.0)
    allowance.give_back("home")
    assert allowance.wait("home") == 0


def test_any_number_of_tries_is_any_number(ticks):
    guard = Guard(0, 300.0, ticks)
    for _ in range(1000):
        guard.count_failure("ada", "home")
    assert guard.wait("ada", "home") == 0


def test_names_and_addresses_that_are_made_up_fill_no_memory(guard):
    for number in range(30_000):
        guard.count_failure(f"user-{number}", f"address-{number}")
        guard.count_success(f"user-{number}", f"other-{number}")
    assert len(guard._wrong) <= 20_000
    assert len(guard._known) <= 20_000


@pytest.fixture
def accounts(tmp_path):
    """Ada's account; one wrong password is the most from one address."""
    config = Config()
    config.GPUDockAuthenticator.one_time_password_file = str(tmp_path / "admin-password")
    config.GPUDockAuthenticator.allowed_failed_logins = 1
    config.GPUDockAuthenticator.seconds_before_next_try = 300
    config.GPUDockAuthenticator.proxy_hosts = [PROXY]
    config.Authenticator.allow_all = True
    session = orm.new_session_factory("sqlite:///:memory:")()
    accounts = GPUDockAuthenticator(db=session, config=config)
    accounts.create_user(username="ada", password=PASSWORD, is_authorized=True)
    return accounts


@pytest.fixture
def sign_in(accounts):
    """Signs Ada in, or not."""

    async def attempt(password: str, *forwarded: str, **others: str) -> str | None:
        handler = SimpleNamespace(request=headers(*forwarded, **others))
        return await accounts.authenticate(handler, {"username": "ada", "password": password})

    return attempt


async def test_of_many_guesses_at_once_few_are_tried(sign_in):
    guesses = [f"guess {number}" for number in range(20)]
    answers = await asyncio.gather(
        *(sign_in(guess, "10.0.0.8") for guess in [*guesses, PASSWORD]), return_exceptions=True
    )
    assert answers.count(None) == 1
    assert sum(isinstance(answer, web.HTTPError) for answer in answers) == 20


async def test_a_right_password_is_no_wrong_one(sign_in):
    for number in range(3 * EVERYWHERE):
        assert await sign_in(PASSWORD, f"10.0.0.{number}") == "ada"


async def test_passwords_cannot_be_guessed_from_ever_new_addresses(sign_in):
    assert await sign_in(PASSWORD, "10.0.0.7") == "ada"
    assert await sign_in("wrong", "10.0.0.8", X_Real_Ip="6.6.6.1") is None
    with pytest.raises(web.HTTPError, match="Too many wrong passwords"):
        await sign_in("wrong", "10.0.0.8", X_Real_Ip="6.6.6.2")
    for number in range(EVERYWHERE - 1):
        assert await sign_in("wrong", f"6.6.6.{number}") is None
    with pytest.raises(web.HTTPError, match=r"Try again in \d+ minute"):
        await sign_in(PASSWORD, "6.6.6.66")
    assert await sign_in(PASSWORD, "10.0.0.7") == "ada"


@pytest.fixture
def busy(monkeypatch):
    """Makes all threads that hash passwords busy, for everybody or for one address."""

    def make(everybody: bool) -> None:
        async def refuse(*_arguments: object) -> None:
            raise BusyError("Too many people are signing in.", everybody=everybody)

        monkeypatch.setattr(PasswordThreads, "_run", refuse)

    return make


@pytest.mark.parametrize(("everybody", "status"), [(True, 503), (False, 429)])
async def test_too_many_at_once_are_refused_and_not_counted(
    accounts, sign_in, busy, monkeypatch, everybody, status
):
    with monkeypatch.context():
        busy(everybody)
        handler = SimpleNamespace(request=headers("10.0.0.7"))
        for attempt in (
            lambda: sign_in(PASSWORD, "10.0.0.7"),
            lambda: sign_in(PASSWORD, "10.0.0.7"),
            lambda: accounts.sign_up(handler, "bob", PASSWORD),
            lambda: accounts.set_password(handler, "ada", "another-" + PASSWORD),
        ):
            with pytest.raises(web.HTTPError, match="Too many people") as refused:
                await attempt()
            assert refused.value.status_code == status
    monkeypatch.undo()
    assert await sign_in(PASSWORD, "10.0.0.7") == "ada"


async def test_an_address_signs_up_so_many_people_and_no_more(accounts, monkeypatch):
    async def hash_at_once(_self: object, _password: str, *_for: str) -> bytes:
        return b"hashed"

    monkeypatch.setattr(PasswordThreads, "hash", hash_at_once)
    here, elsewhere = (
        SimpleNamespace(request=headers(address)) for address in ("10.0.0.7", "10.0.0.8")
    )
    for number in range(100):
        assert await accounts.sign_up(here, f"user-{number}", PASSWORD) is not None
    with pytest.raises(web.HTTPError, match="have signed up from your network") as refused:
        await accounts.sign_up(here, "one-more", PASSWORD)
    assert refused.value.status_code == 429
    # What is not acceptable anyway is not counted, and says what is wrong with it.
    assert await accounts.sign_up(here, "user-1", PASSWORD) is None
    assert await accounts.sign_up(elsewhere, "one-more", PASSWORD) is not None


async def test_of_two_who_sign_up_with_one_name_at_once_one_gets_it(accounts):
    handler = SimpleNamespace(request=headers("10.0.0.7"))
    made = await asyncio.gather(
        *(accounts.sign_up(handler, "bob", f"{PASSWORD}-{number}") for number in range(2))
    )
    assert [account is None for account in made].count(True) == 1
