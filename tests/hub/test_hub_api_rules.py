"""The Hub's own API, as its Admin page uses it: what it breaks is guarded."""

from __future__ import annotations

import sqlite3

import pytest

from harness.hub_client import HubClient


def users(hub) -> dict[str, bool]:
    """Return all users' names and whether they are administrators."""
    return {user["name"]: user["admin"] for user in hub.admin.api("GET", "/users").json()}


def roles(hub, name: str) -> set[str]:
    return set(hub.admin.api("GET", f"/users/{name}").json()["roles"])


def test_a_user_becomes_an_administrator_and_keeps_the_name(hub):
    ada = hub.client("ada")
    answer = hub.admin.api("PATCH", "/users/ada", {"name": "ada", "admin": True})
    assert answer.status_code == 200
    assert answer.json()["name"] == "ada"
    assert users(hub) == {"admin": True, "ada": True}
    assert "admin" in roles(hub, "ada")
    assert ada.api("GET", "/users").status_code == 200
    answer = hub.admin.api("PATCH", "/users/ada", {"name": "ada", "admin": False})
    assert answer.status_code == 200
    assert users(hub)["ada"] is False
    assert "admin" not in roles(hub, "ada")
    assert [change.after for change in hub.audit("account.admin")][:2] == [False, True]


def test_a_user_is_not_renamed(hub):
    hub.client("ada")
    answer = hub.admin.api("PATCH", "/users/ada", {"name": "bea", "admin": False})
    assert answer.status_code == 409
    assert "cannot be renamed" in answer.json()["message"]
    assert "ada" in users(hub)
    assert "bea" not in users(hub)


@pytest.mark.parametrize("body", [None, {"name": None}, {"groups": ["x"]}])
def test_a_change_that_means_nothing_is_refused(hub, body):
    hub.client("ada")
    answer = hub.admin.api("PATCH", "/users/ada", body)
    assert answer.status_code == 400
    assert users(hub) == {"admin": True, "ada": False}


def test_the_last_and_the_configured_administrator_stay(hub):
    answer = hub.admin.api("PATCH", "/users/admin", {"name": "admin", "admin": False})
    assert answer.status_code == 409
    assert "your own administrator rights" in answer.json()["message"]
    ada = hub.client("ada")
    hub.admin.api("PATCH", "/users/ada", {"admin": True}).raise_for_status()
    answer = ada.api("PATCH", "/users/admin", {"admin": False})
    assert answer.status_code == 409
    assert "GPUDOCK_ADMIN" in answer.json()["message"]
    answer = ada.api("DELETE", "/users/admin")
    assert answer.status_code == 409
    assert "GPUDOCK_ADMIN" in answer.json()["message"]
    assert users(hub)["admin"] is True


def test_who_is_no_administrator_learns_and_changes_nothing(hub):
    ada = hub.client("ada")
    for method, path, body in (
        ("PATCH", "/users/admin", {"admin": False}),
        ("PATCH", "/users/ada", {"name": "ada", "admin": True}),
        ("DELETE", "/users/admin", None),
        ("POST", "/users/bea", None),
        ("POST", "/users/admin/server", None),
    ):
        assert ada.api(method, path, body).status_code in (403, 404), path
    assert users(hub) == {"admin": True, "ada": False}


def test_a_user_whose_server_has_a_gpu_is_not_deleted(hub):
    ada = hub.client("ada")
    ada.start_server(gpus=1)
    before = hub.held()
    answer = hub.admin.api("DELETE", "/users/ada")
    assert answer.status_code == 409
    assert answer.json()["message"].startswith('"ada" has a running server.')
    assert hub.held() == before
    ada.stop_server()
    ada.start_server("second", gpus=1)
    answer = hub.admin.api("DELETE", "/users/ada")
    assert answer.status_code == 409
    assert '"second"' in answer.json()["message"]
    ada.stop_server("second")
    assert hub.admin.api("DELETE", "/users/ada").status_code == 204
    assert "ada" not in users(hub)
    assert hub.audit("account.delete")[0].target == "ada"


@pytest.mark.parametrize("path", ["/users/ada/server", "/users/ada/servers/"])
def test_nobody_starts_a_server_for_another_user_without_a_choice(hub, path):
    hub.client("ada")
    answer = hub.admin.api("POST", path)
    assert answer.status_code == 409
    assert "/hub/spawn/ada" in answer.json()["message"]
    assert hub.leases() == {}
    # With a choice an administrator may, and every user for themselves.
    assert hub.admin.api("POST", path, {"gpus": 0}).status_code in (201, 202)


@pytest.mark.parametrize("name", ["Zoë", "x" * 65, "ADA"])
def test_a_user_whose_name_nobody_could_sign_in_with_is_not_added(hub, name):
    answer = hub.admin.api("POST", f"/users/{name}")
    assert answer.status_code == 400
    assert "user name" in answer.json()["message"]
    assert users(hub) == {"admin": True}


def test_rows_without_a_name_are_repaired_when_the_hub_starts(new_hub):
    hub = new_hub().start()
    ada = hub.client("ada")
    ada.start_server(gpus=1)
    hub.client("bob")
    held = hub.held()
    hub.stop()
    with sqlite3.connect(hub.state / "jupyterhub.sqlite") as database:
        database.execute("UPDATE users SET name = NULL, admin = 1 WHERE name IN ('ada', 'bob')")
    hub.start()
    # Whose row it was is known from the server; of the other it is not.
    assert users(hub) == {"admin": True, "ada": True}
    assert hub.held() == held
    assert HubClient(hub.url, "ada", ada.password).sign_in().server_model() is not None
    assert "has no name" in hub.log.read_text()
    hub.stop()
    with sqlite3.connect(hub.state / "jupyterhub.sqlite") as database:
        assert database.execute("SELECT * FROM users WHERE name IS NULL").fetchall() == []
    hub.start()


def test_groups_work_as_the_admin_page_uses_them(hub):
    hub.client("ada")
    admin = hub.admin
    assert admin.api("POST", "/groups/vision").status_code == 201
    assert admin.api("POST", "/groups/vision").status_code == 409
    answer = admin.api("POST", "/groups/vision/users", {"users": ["ada"]})
    assert answer.json()["users"] == ["ada"]
    answer = admin.api("PUT", "/groups/vision/properties", {"room": "12"})
    assert answer.json()["properties"] == {"room": "12"}
    answer = admin.api("DELETE", "/groups/vision/users", {"users": ["ada"]})
    assert answer.json()["users"] == []
    assert admin.api("DELETE", "/groups/vision").status_code == 204
    assert admin.api("GET", "/groups").json() == []
