"""Hashing passwords: few at a time."""

from __future__ import annotations

import asyncio
import threading

import bcrypt
import pytest

from gpudock.hub.accounts.passwords import (
    MAX_ACCOUNT_JOBS,
    MAX_ADDRESS_JOBS,
    MAX_JOBS,
    BusyError,
    PasswordThreads,
    check_password,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The least work that bcrypt can do."""
    salt = bcrypt.gensalt
    monkeypatch.setattr(bcrypt, "gensalt", lambda: salt(4))


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
