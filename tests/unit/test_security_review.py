"""Promises that a security review found broken; each mark goes when its defect is mended."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from jupyterhub import orm
from tornado import web
from traitlets.config import Config

from gpudock.accounts import GPUDockAuthenticator, _FromOwnPagesOnly
from gpudock.host_config import GPUDelivery, Surroundings, container_config
from gpudock.model import Lease
from gpudock.runtime import Runtime

if TYPE_CHECKING:
    from pathlib import Path

ROOT_NAMES = ("hub", "proxy", "proxy-api", "gpudock-agent")
PASSWORD = "correct-horse-battery"


def config_of(user: str) -> dict[str, Any]:
    lease = Lease(id="ab12", user=user, server="", image="image", gpu_uuids=(), granted_at=0.0)
    surroundings = Surroundings(
        lab="gpudock",
        network="gpudock",
        workspace="workspace",
        command=["server"],
        environment={},
        delivery=GPUDelivery.NONE,
    )
    return dict(container_config(lease, surroundings).config)


@pytest.fixture
def accounts(tmp_path: Path) -> GPUDockAuthenticator:
    config = Config()
    config.Authenticator.allow_all = True
    config.Authenticator.admin_users = {"admin"}
    config.GPUDockAuthenticator.one_time_password_file = str(tmp_path / "admin-password")
    config.GPUDockAuthenticator.minimum_password_length = 10
    session = orm.new_session_factory("sqlite:///:memory:")()
    return GPUDockAuthenticator(db=session, config=config)


@pytest.mark.parametrize("user", ROOT_NAMES)
@pytest.mark.xfail(strict=True, reason="Docker answers DNS queries with a container's host name")
def test_no_user_name_makes_a_container_answer_to_the_name_of_a_part_of_the_lab(user):
    assert config_of(user)["Hostname"] not in ROOT_NAMES


@pytest.mark.xfail(strict=True, reason="the kernel may kill the hub for what a user's server takes")
def test_users_servers_are_killed_before_the_lab_when_memory_runs_out():
    assert config_of("ada")["HostConfig"].get("OomScoreAdj", 0) > 0


@pytest.mark.xfail(strict=True, reason="NativeAuthenticator lets in whoever takes an admin's name")
def test_nobody_becomes_an_administrator_by_signing_up(accounts):
    # As when another administrator has removed the account on the Hub's admin page.
    accounts.db.delete(accounts.get_user("admin"))
    accounts.db.commit()
    made = accounts.create_user(username="admin", password=PASSWORD)
    assert made is None or not made.is_authorized


@pytest.mark.xfail(strict=True, reason="sessions and tokens of who was shut out stay good")
def test_who_is_shut_out_is_out(accounts):
    accounts.create_user(username="ada", password=PASSWORD)
    user = SimpleNamespace(name="ada", admin=False)
    assert not asyncio.run(accounts.refresh_user(user))


@pytest.mark.xfail(strict=True, raises=ValueError, reason="bcrypt takes 72 bytes at most")
def test_a_long_password_is_refused_or_taken_but_no_crash(accounts):
    made = accounts.create_user(username="ada", password="x" * 73)
    assert made is None or made.is_valid_password("x" * 73)


class _Page:
    async def prepare(self) -> None:
        """Let everybody in, as the Hub's own handlers do for a page."""


class _AccountChange(_FromOwnPagesOnly, _Page):
    def __init__(self, **headers: str) -> None:
        self.request = SimpleNamespace(method="GET", headers=headers)


@pytest.mark.xfail(strict=True, reason="notebook pages have the origin of the Hub")
def test_a_page_of_a_users_server_changes_no_account():
    request = {
        "Sec-Fetch-Site": "same-origin",
        "Sec-Fetch-Mode": "navigate",
        "Referer": "http://lab/user/eve/files/page.html",
    }
    with pytest.raises(web.HTTPError):
        asyncio.run(_AccountChange(**request).prepare())


@pytest.mark.xfail(strict=True, reason="allow_all holds for every authenticator")
def test_an_identity_providers_users_are_not_all_let_in(monkeypatch, tmp_path, request):
    monkeypatch.setenv("GPUDOCK_AUTHENTICATOR", "github")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Runtime, "install", lambda _runtime: None)
    config = Config()
    path = request.config.rootpath / "jupyterhub_config.py"
    names = {"get_config": lambda: config, "__file__": str(path)}
    exec(compile(path.read_text(), path, "exec"), names)
    assert not config.Authenticator.get("allow_all", False)
