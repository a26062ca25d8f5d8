"""A lab below a path: hub and desk under ``/jupyter/``, behind one address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from harness.desk_process import DeskProcess
from harness.hub_client import HubClient
from harness.hub_process import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "/jupyter/"
DESK = f"{BASE}services/gpudock/"


@pytest.fixture(scope="module")
def desk(new_module_hub) -> Iterator[DeskProcess]:
    hub = new_module_hub(BASE_URL=BASE, SESSION_HOURS_DEFAULT="12").start()
    desk = DeskProcess(hub).start()
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def ada(desk) -> HubClient:
    """Ada, signed in with a browser, with a session and the desk's first page open."""
    ada = HubClient(desk.url, "ada", PASSWORD).sign_in()
    ada.start_server(gpus=1)
    page = ada.http.get("services/gpudock/")
    assert page.status_code == 200, page.text
    assert page.url.path == DESK
    return ada


def test_the_desks_pages_lead_to_what_is_below_the_path(ada):
    home = ada.http.get("hub/home").text
    assert f'href="{DESK}"' in home
    page = ada.http.get("services/gpudock/").text
    links = set(re.findall(r'(?:href|src|data-(?:api|base|hub))="([^"#]+)"', page))
    assert {f"{DESK}lab", f"{BASE}hub/token", f"{DESK}api/v1", f"{BASE}hub/logout"} <= links
    assert {link for link in links if not link.startswith(BASE)} == set()
    for link in links:
        if "/static/" in link:
            assert ada.http.get(f"{desk_origin(ada)}{link}").status_code == 200, link


def desk_origin(client):
    return client.url.removesuffix(BASE.rstrip("/"))


def test_a_browsers_cookies_are_for_the_desk_and_let_it_change_things(ada):
    paths = {c.path for c in ada.http.cookies.jar if c.path.startswith(DESK)}
    assert paths == {DESK}
    names = {c.name for c in ada.http.cookies.jar if c.path == DESK}
    assert {"_xsrf", "service-gpudock"} <= names
    (lease,) = ada.http.get("services/gpudock/api/v1/leases/me").json()["leases"]
    address = f"services/gpudock/api/v1/leases/{lease['id']}/extend"
    assert ada.http.post(address).status_code == 403
    token = next(c.value for c in ada.http.cookies.jar if (c.path, c.name) == (DESK, "_xsrf"))
    answer = ada.http.post(address, headers={"X-XSRFToken": token})
    assert answer.status_code == 409, answer.text
    assert "hours at most" in answer.json()["message"]


def test_the_api_and_its_document_are_below_the_path(desk, ada):
    token = desk.token(desk.hub.admin)
    assert desk.ask("GET", "gpus", token).status_code == 200
    document = desk.ask("GET", "openapi.json", token).json()
    assert document["servers"] == [{"url": f"{DESK}api/v1"}]
    outside = f"{desk.direct}/services/gpudock/api/v1/gpus"
    assert httpx.get(outside, headers={"Authorization": f"Bearer {token}"}).status_code == 404


def test_a_users_server_finds_the_desk_and_its_token_is_good_there(desk, ada):
    (container,) = desk.hub.docker.servers
    assert container.environment["GPUDOCK_API_URL"] == f"http://proxy:8000{DESK}api/v1"
    assert container.environment["JUPYTERHUB_SERVICE_PREFIX"] == f"{BASE}user/ada/"
    token = container.environment["JUPYTERHUB_API_TOKEN"]
    (lease,) = desk.ask("GET", "leases/me", token).json()["leases"]
    assert lease["user"] == "ada"


def test_whoever_signs_out_is_out_of_the_desk(desk):
    bob = HubClient(desk.url, "bob", PASSWORD).sign_in()
    assert bob.http.get("services/gpudock/").status_code == 200
    bob.http.get("hub/logout")
    page = bob.http.get("services/gpudock/")
    assert page.url.path == f"{BASE}hub/login"
