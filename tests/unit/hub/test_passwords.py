"""Hashing passwords: of any length, and few at a time."""

from __future__ import annotations

import asyncio
import threading

import bcrypt
import pytest

from gpudock.hub.accounts import passwords
from gpudock.hub.accounts.passwords import (
    MAX_ACCOUNT_JOBS,
    MAX_ADDRESS_JOBS,
    MAX_JOBS,
    BusyError,
    PasswordThreads,
    check_password,
    hash_password,
)

pytestmark = pytest.mark.integration  # hashing a password takes tenths of a second


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The least work that bcrypt can do."""
    salt = bcrypt.gensalt
    monkeypatch.setattr(bcrypt, "gensalt", lambda: salt(4))


@pytest.mark.parametrize("length", [10, 71, 72, 73, 200, 1024])
def test_every_character_of_a_password_counts(length):
    password = "ö" * (length // 2 - 1) + "x" * (length - 2 * (length // 2 - 1))
    assert len(password.encode()) == length
    hashed = hash_password(password)
    assert check_password(password, hashed)
    assert not check_password(password[:-1] + "!", hashed)
    assert not check_password(password[:-1], hashed)
    assert not check_password(password + "x", hashed)


@pytest.mark.parametrize("password", ["correct-horse-battery", "x" * 72])
def test_hashes_of_before_are_good_for_the_same_passwords(password):
    former = bcrypt.hashpw(password.encode(), bcrypt.gensalt())
    assert check_password(password, former)
    assert not check_password(password + "x", former)


def test_what_bcrypt_gets_for_a_long_password_is_no_password_itself():
    password = "x" * 100
    hashed = hash_password(password)
    shortened = passwords._shortened(password.encode()).decode()
    assert not check_password(shortened, hashed)
    # Not even in the form of before: a long password is none of those.
    assert not check_password(password, bcrypt.hashpw(shortened.encode(), bcrypt.gensalt()))


def test_without_an_account_no_password_is_right():
    assert not check_password("nobody has this password", None)


@pytest.fixture
def held(monkeypatch):
    """Holds all checks up until it is set."""
    go_on = threading.Event()

    def check(_password: bytes, _hashed: bytes) -> bool:
        assert go_on.wait(60)
        return True

    monkeypatch.setattr(bcrypt, "checkpw", check)
    yield go_on
    go_on.set()


@pytest.mark.parametrize(
    ("most", "account", "address", "everybody"),
    [
        (MAX_JOBS, "user-{}", "10.0.0.{}", True),
        (MAX_ADDRESS_JOBS, "user-{}", "10.0.0.7", False),
        (MAX_ACCOUNT_JOBS, "ada", "10.0.0.{}", False),
    ],
    ids=["everybody", "an address", "an account"],
)
async def test_of_too_many_sign_ins_at_once_the_last_ones_are_refused(
    held, most, account, address, everybody
):
    threads = PasswordThreads()

    def attempt(number: int) -> asyncio.Task[bool]:
        return asyncio.ensure_future(
            threads.check("x", b"hash", account.format(number), address.format(number))
        )

    accepted = [attempt(number) for number in range(most)]
    with pytest.raises(BusyError, match="Try again in") as refused:
        await attempt(most)
    assert refused.value.everybody is everybody
    if not everybody:
        other = asyncio.ensure_future(threads.check("x", b"hash", "bob", "192.0.2.1"))
        accepted.append(other)
    held.set()
    assert all(await asyncio.gather(*accepted))
    # All places are free again.
    assert all(await asyncio.gather(*map(attempt, range(most))))
