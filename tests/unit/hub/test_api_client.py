"""What the Hub's answers to its REST API mean."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler

import pytest

from gpudock.hub.api_client import HubApi, HubError, HubNotReady, HubRefused
from harness.loopback import LoopbackServer, new_address

PORT = 8081


@pytest.fixture
def hub():
    """A Hub that gives fixed answers, by method and path, and notes what it was sent."""
    answers = {}
    sent = []

    class Handler(BaseHTTPRequestHandler):
        def _serve(self):
            length = int(self.headers.get("Content-Length") or 0)
            sent.append((self.command, self.path, self.rfile.read(length).decode()))
            assert self.headers["Authorization"] == "token secret"
            status, document = answers[self.command, self.path]
            body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _serve  # noqa: N815 (the names are given)

        def log_message(self, *_):
            pass

    address = new_address()
    server = LoopbackServer(address, PORT, Handler)
    hub = HubApi(f"http://{address}:{PORT}/hub/api/", "secret")
    yield hub, answers, sent
    server.close()


def page(users, following=None):
    pagination = {"offset": 0, "limit": 200, "total": 3, "next": following}
    return 200, {"items": users, "_pagination": pagination}


async def test_all_pages_of_active_servers_are_read(hub):
    api, answers, _ = hub
    path = "/hub/api/users?state=active&offset={}&limit=200"
    answers["GET", path.format(0)] = page(
        [{"name": "ada", "servers": {"": {}, "second": {}}}], {"offset": 200, "limit": 200}
    )
    answers["GET", path.format(200)] = page([{"name": "b/b", "servers": {"": {}}}])
    assert await api.active_servers() == {("ada", ""), ("ada", "second"), ("b/b", "")}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((200, {"name": "b/b", "servers": {"x": {}}}), {"x"}),
        ((200, {"name": "b/b", "servers": {}}), set()),
        ((404, {"message": "Not Found"}), None),
    ],
)
async def test_only_a_404_says_that_there_is_no_such_user(hub, answer, outcome):
    api, answers, _ = hub
    answers["GET", "/hub/api/users/b%2Fb"] = answer
    assert await api.servers_of("b/b") == outcome


@pytest.mark.parametrize("status", [400, 401, 403, 500, 502, 503])
async def test_any_other_error_says_nothing_of_a_user(hub, status):
    api, answers, _ = hub
    answers["GET", "/hub/api/users/ada"] = (status, {"message": "no"})
    with pytest.raises(HubError):
        await api.servers_of("ada")


@pytest.mark.parametrize("said", ["<html>", "[]"])
async def test_what_is_no_answer_of_the_hub_says_nothing(hub, said):
    api, answers, _ = hub
    answers["GET", "/hub/api/users/ada"] = (200, said)
    with pytest.raises(HubError):
        await api.servers_of("ada")


async def test_nobody_at_the_address_says_nothing():
    with pytest.raises(HubNotReady):
        await HubApi(f"http://{new_address()}:{PORT}/hub/api", "secret").servers_of("ada")


@pytest.mark.parametrize(("options", "body"), [(None, ""), ({"gpus": 1}, '{"gpus": 1}')])
async def test_a_server_is_started_with_its_options_or_those_of_last_time(hub, options, body):
    api, answers, sent = hub
    answers["POST", "/hub/api/users/ada/servers/"] = (202, "")
    await api.start_server("ada", "", options)
    assert sent == [("POST", "/hub/api/users/ada/servers/", body)]


@pytest.mark.parametrize(
    ("status", "message", "outcome"),
    [
        (400, "ada is already running", None),
        (400, "ada is pending spawn", HubNotReady),
        (429, "Too many users trying to log in right now.", HubNotReady),
        (503, "busy", HubNotReady),
        (400, 'The image "x" is not on this lab\'s list.', HubRefused),
        (404, "Not Found", HubRefused),
    ],
)
async def test_a_refusal_is_told_from_a_hub_that_is_not_ready(hub, status, message, outcome):
    api, answers, _ = hub
    answers["POST", "/hub/api/users/ada/servers/second"] = (status, {"message": message})
    if outcome is None:
        await api.start_server("ada", "second")
    else:
        with pytest.raises(outcome):
            await api.start_server("ada", "second")
