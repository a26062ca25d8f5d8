"""Holes that a review found, each held shut by a test."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from jupyterhub import orm
from nativeauthenticator.handlers import DiscardHandler, ToggleAuthorizationHandler
from tornado import web
from tornado.httpserver import HTTPServer
from traitlets.config import Config

from gpudock.engine.spec import ContainerContext, GPUDelivery, container_config
from gpudock.hub.accounts import GPUDockAuthenticator
from gpudock.hub.accounts.pages import OURS
from gpudock.hub.accounts.passwords import check_password
from gpudock.hub.runtime import Runtime
from gpudock.model import Lease

if TYPE_CHECKING:
    from pathlib import Path

ROOT_NAMES = ("hub", "desk", "proxy", "proxy-api", "gpudock-agent")
PASSWORD = "correct-horse-battery"


def config_of(user: str) -> dict[str, Any]:
    lease = Lease(id="ab12", user=user, server="", image="image", gpu_uuids=(), granted_at=0.0)
    context = ContainerContext(
        lab="gpudock",
        network="gpudock",
        workspace="workspace",
        command=["server"],
        environment={},
        delivery=GPUDelivery.NONE,
    )
    return dict(container_config(lease, context).config)


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
def test_no_user_name_makes_a_container_answer_to_the_name_of_a_part_of_the_lab(user):
    assert config_of(user)["Hostname"] not in ROOT_NAMES


def test_users_servers_are_killed_before_the_lab_when_memory_runs_out():
    assert config_of("ada")["HostConfig"].get("OomScoreAdj", 0) > 0


def test_nobody_becomes_an_administrator_by_signing_up(accounts):
    # As when another administrator has removed the account on the Hub's admin page.
    accounts.db.delete(accounts.get_user("admin"))
    accounts.db.commit()
    made = accounts.create_user(username="admin", password=PASSWORD)
    assert made is None or not made.is_authorized


@pytest.mark.integration
def test_a_blocked_user_is_signed_out(accounts):
    accounts.create_user(username="ada", password=PASSWORD)
    user = SimpleNamespace(name="ada", admin=False)
    with pytest.raises(web.HTTPError):
        asyncio.run(accounts.refresh_user(user))


@pytest.mark.integration
@pytest.mark.parametrize("active", [True, False])
def test_an_account_is_not_deleted_while_the_hub_keeps_its_user(accounts, active):
    accounts.create_user(username="ada", password=PASSWORD)
    servers = {"": SimpleNamespace(active=False), "second": SimpleNamespace(active=active)}
    user = SimpleNamespace(name="ada", spawners=servers)
    if active:
        with pytest.raises(web.HTTPError, match="Stop it on the Admin page first"):
            accounts.delete_user(user)
    else:
        accounts.delete_user(user)
    assert (accounts.get_user("ada") is not None) is active


@pytest.mark.integration
def test_a_long_password_is_refused_or_taken_but_no_crash(accounts):
    made = accounts.create_user(username="ada", password="x" * 73)
    assert made is None or check_password("x" * 73, made.password)


@pytest.mark.parametrize("page", [ToggleAuthorizationHandler, DiscardHandler])
def test_no_link_changes_an_account_wherever_it_stands(page):
    with pytest.raises(web.HTTPError) as caught:
        OURS[page].get(SimpleNamespace(hub=SimpleNamespace(base_url="/hub/")), "eve")
    assert caught.value.status_code == 405


def test_not_every_user_of_another_authenticator_is_allowed(monkeypatch, tmp_path, request):
    monkeypatch.setenv("GPUDOCK_AUTHENTICATOR", "pam")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Runtime, "install", lambda _runtime: None)
    monkeypatch.setattr(HTTPServer, "configure", lambda *_options, **_more: None)
    config = Config()
    path = request.config.rootpath / "jupyterhub_config.py"
    names = {"get_config": lambda: config, "__file__": str(path)}
    exec(compile(path.read_text(), path, "exec"), names)
    assert not config.Authenticator.get("allow_all", False)
