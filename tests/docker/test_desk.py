"""The desk in its container: what it may do there, and the whole way through the proxy to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from harness.desk_process import API, PREFIX
from harness.lab import PROJECT
from harness.waiting import wait_for

if TYPE_CHECKING:
    from docker.models.containers import Container

    from harness.hub_client import HubClient
    from harness.lab import Lab


@pytest.fixture
def desk(lab: Lab) -> Container:
    return lab.docker.containers.get(f"{PROJECT}-desk-1")


def ask(lab: Lab, method: str, path: str, token: str, **request) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.request(method, f"{lab.url}{API}{path}", headers=headers, timeout=30, **request)


def token_of(user: HubClient) -> str:
    return str(user.api("POST", f"/users/{user.name}/tokens", {}).json()["token"])


def test_the_desk_runs_without_any_right_that_it_does_not_need(desk):
    config = desk.attrs["HostConfig"]
    assert desk.attrs["Config"]["User"] == "1000:1000"
    assert config["CapDrop"] == ["ALL"]
    assert not config["CapAdd"]
    assert config["ReadonlyRootfs"]
    assert "no-new-privileges:true" in config["SecurityOpt"]
    mounts = {mount["Destination"]: mount.get("Name", "") for mount in desk.attrs["Mounts"]}
    assert mounts == {"/srv/gpudock/shared": f"{PROJECT}_shared-data"}
    assert set(desk.attrs["NetworkSettings"]["Networks"]) == {
        f"{PROJECT}-control",
        f"{PROJECT}-desk",
    }
    wait_for(lambda: _health(desk) == "healthy", "the desk is healthy", 60, every=0.5)


def _health(container: Container) -> str:
    container.reload()
    return str(container.attrs["State"]["Health"]["Status"])


def test_a_session_is_seen_by_its_user_and_by_its_own_server_and_released(clean_lab):
    ada = clean_lab.client("ada")
    ada.start_server(gpus=1)
    token = token_of(ada)
    (lease,) = ask(clean_lab, "GET", "leases/me", token).json()["leases"]
    server = clean_lab.server_of("ada")
    inside = clean_lab.run_in(
        server,
        "python3",
        "-c",
        "import json, os, urllib.request as r\n"
        "q = r.Request(os.environ['GPUDOCK_API_URL'] + '/leases/me',"
        " headers={'Authorization': 'token ' + os.environ['JUPYTERHUB_API_TOKEN']})\n"
        "print(json.load(r.urlopen(q, timeout=30))['leases'][0]['id'])",
    )
    assert inside.strip() == lease["id"]
    assert ask(clean_lab, "DELETE", f"leases/{lease['id']}", token).status_code == 202
    wait_for(lambda: ada.server_model() is None, "the Hub knows of the end", 60)
    wait_for(lambda: not clean_lab.leases(), "the lease ends", 60, every=0.5)


def test_users_containers_cannot_reach_the_desk_but_through_the_proxy(clean_lab):
    ada = clean_lab.client("ada")
    ada.start_server(gpus=0)
    status, output = clean_lab.server_of("ada").exec_run(
        ["python3", "-c", "import socket; socket.create_connection(('desk', 10101), timeout=5)"]
    )
    assert status != 0, output.decode()


def test_the_pages_open_with_the_hubs_sign_in(clean_lab):
    ada = clean_lab.client("ada")
    page = ada.http.get(PREFIX)
    assert page.status_code == 200
    assert "My GPUs" in page.text
    assert f'href="{PREFIX}"' in ada.http.get("/hub/home").text


def test_a_desk_that_is_down_leaves_the_lab_as_it_is(clean_lab, desk):
    desk.kill("SIGKILL")
    try:
        ada = clean_lab.client("ada")
        ada.start_server(gpus=1)
        assert len(clean_lab.leases()) == 1
        page = ada.http.get(PREFIX)
        assert page.status_code == 503
        assert "reloads as soon as" in page.text
    finally:
        desk.start()
    wait_for(lambda: _health(desk) == "healthy", "the desk comes back", 60, every=0.5)
