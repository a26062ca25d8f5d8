"""Users who come into groups, or leave them, while they wait."""

from __future__ import annotations

import pytest

from harness.desk_process import DeskProcess
from harness.waiting import wait_for

GROUP = "/groups/vision"


@pytest.fixture
def vision(hub):
    """A group that gives two GPUs, where everybody else has one."""
    hub.set_quota("group", "vision", {"max_gpus": 2})
    yield hub.admin
    hub.set_quota("group", "vision", None)
    assert hub.admin.api("DELETE", GROUP).status_code in (204, 404)


@pytest.fixture
def waiting(hub, vision):
    """Nora, in the group, waits for two GPUs, and Olga after her for one."""
    hub.client("ada").start_server()
    nora, olga = hub.client("nora"), hub.client("olga")
    assert vision.api("POST", GROUP, {"users": ["nora"]}).status_code == 201
    assert nora.ask_for_server(gpus=2).status_code == 202
    page = nora.follow()
    page.wait_for("You are number 1 of 1 in the queue.")
    assert olga.ask_for_server().status_code == 202
    return page


@pytest.mark.parametrize("leave", [("DELETE", f"{GROUP}/users"), ("DELETE", GROUP)])
def test_whoever_leaves_a_group_has_its_limits_no_longer(hub, vision, waiting, leave):
    method, path = leave
    body = {"users": ["nora"]} if path != GROUP else None
    assert vision.api(method, path, body).status_code in (200, 204)
    assert "Your quota allows 1 GPU at once, and this server asks for 2." in str(waiting.result())
    assert "nora" not in hub.queue()
    wait_for(lambda: "olga" in hub.leases(), "who waited behind her starts")


def test_whoever_comes_into_another_group_keeps_the_place(hub, vision, waiting):
    assert vision.api("POST", "/groups/audio", {"users": ["nora"]}).status_code == 201
    try:
        wait_for(
            lambda: hub.waiting()[0].groups == ("audio", "vision"), "the request knows the group"
        )
        assert hub.queue()[0] == "nora"
    finally:
        vision.api("DELETE", "/groups/audio")


def test_a_session_is_extended_at_the_desk_by_the_groups_of_the_moment(hub, vision):
    hub.set_quota("default", "", {"session_hours": 1.0, "max_session_hours": 1.0})
    hub.set_quota("group", "vision", {"max_session_hours": 8.0})
    nora = hub.client("nora")
    assert vision.api("POST", GROUP, {"users": ["nora"]}).status_code == 201
    nora.start_server()
    assert vision.api("DELETE", f"{GROUP}/users", {"users": ["nora"]}).status_code == 200
    desk = DeskProcess(hub).start()
    try:
        token = desk.token(nora)
        (lease,) = desk.ask("GET", "leases/me", token).json()["leases"]
        refused = desk.ask("POST", f"leases/{lease['id']}/extend", token)
        assert refused.status_code == 409
        assert "a session lasts 1 hours at most" in refused.json()["message"]
    finally:
        desk.close()
        hub.set_quota("default", "", None)
