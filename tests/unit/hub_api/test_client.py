"""What the client makes of the Hub's answers."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler

import pytest

from gpudock.hub_api import (
    HubAPI,
    HubError,
    HubGroup,
    HubRejectedError,
    HubUnavailableError,
    HubUser,
)
from harness.loopback import LoopbackServer, new_address

PORT = 8081


@pytest.fixture
async def hub():
    """A Hub with fixed answers by method and path, which records its requests."""
    answers = {}
    sent = []

    class Handler(BaseHTTPRequestHandler):
        def _serve(self):
            length = int(self.headers.get("Content-Length") or 0)
            sent.append((self.command, self.path, self.rfile.read(length).decode()))
            assert self.headers["Authorization"] in ("token secret", "token theirs")
            status, document = answers[self.command, self.path]
            body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 (the names are given)

        def log_message(self, *_):
            pass

    address = new_address()
    server = LoopbackServer(address, PORT, Handler)
    hub = HubAPI(f"http://{address}:{PORT}/hub/api/", "secret")
    yield hub, answers, sent
    hub.close()
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
async def test_only_a_404_means_that_there_is_no_such_user(hub, answer, outcome):
    api, answers, _ = hub
    answers["GET", "/hub/api/users/b%2Fb"] = answer
    assert await api.servers_of("b/b") == outcome


@pytest.mark.parametrize("status", [400, 401, 403, 500, 502, 503])
async def test_any_other_error_says_nothing_about_a_user(hub, status):
    api, answers, _ = hub
    answers["GET", "/hub/api/users/ada"] = (status, {"message": "no"})
    with pytest.raises(HubError):
        await api.servers_of("ada")


@pytest.mark.parametrize("said", ["<html>", "[]"])
async def test_an_unreadable_answer_says_nothing(hub, said):
    api, answers, _ = hub
    answers["GET", "/hub/api/users/ada"] = (200, said)
    with pytest.raises(HubError):
        await api.servers_of("ada")


async def test_a_refused_connection_says_nothing():
    with pytest.raises(HubUnavailableError):
        await HubAPI(f"http://{new_address()}:{PORT}/hub/api", "secret").servers_of("ada")


@pytest.mark.parametrize(("options", "body"), [(None, ""), ({"gpus": 1}, '{"gpus": 1}')])
async def test_a_server_starts_with_its_options_or_those_of_its_last_start(hub, options, body):
    api, answers, sent = hub
    answers["POST", "/hub/api/users/ada/servers/"] = (202, "")
    await api.start_server("ada", "", options)
    assert sent == [("POST", "/hub/api/users/ada/servers/", body)]


@pytest.mark.parametrize(
    ("status", "message", "outcome"),
    [
        (400, "ada is already running", None),
        (400, "ada is pending spawn", HubUnavailableError),
        (429, "Too many users trying to log in right now.", HubUnavailableError),
        (503, "busy", HubUnavailableError),
        (400, 'The image "x" is not on this lab\'s list.', HubRejectedError),
        (404, "Not Found", HubRejectedError),
        (500, "The spawn failed.", HubRejectedError),
    ],
)
async def test_a_rejection_differs_from_an_unavailable_hub(hub, status, message, outcome):
    api, answers, _ = hub
    answers["POST", "/hub/api/users/ada/servers/second"] = (status, {"message": message})
    if outcome is None:
        await api.start_server("ada", "second")
    else:
        with pytest.raises(outcome):
            await api.start_server("ada", "second")


async def test_users_and_groups_are_read_from_all_pages(hub):
    api, answers, _ = hub
    users = "/hub/api/users?offset={}&limit=200"
    answers["GET", users.format(0)] = page(
        [{"name": "ada", "groups": ["y", "x"]}], {"offset": 200, "limit": 200}
    )
    answers["GET", users.format(200)] = page([{"name": "b/b"}])
    answers["GET", "/hub/api/groups?offset=0&limit=200"] = page(
        [{"name": "x", "users": ["b", "ada"], "properties": {"a": 1}}, {"name": "y"}]
    )
    assert await api.users() == [HubUser("ada", ("x", "y")), HubUser("b/b", ())]
    assert await api.groups() == [HubGroup("x", ("ada", "b"), {"a": 1}), HubGroup("y", (), {})]


async def test_groups_are_changed_with_names_that_no_path_could_have(hub):
    api, answers, sent = hub
    here = "/hub/api/groups/a%2Fb"
    answers["POST", here] = (201, {"name": "a/b"})
    answers["DELETE", here] = (204, "")
    answers["GET", here] = (404, {"message": "Not Found"})
    for method, path in (("POST", "/users"), ("DELETE", "/users"), ("PUT", "/properties")):
        answers[method, here + path] = (200, {"name": "a/b"})
    await api.create_group("a/b")
    await api.add_to_group("a/b", "ada")
    await api.remove_from_group("a/b", "ada")
    await api.set_group_properties("a/b", {"x": [1]})
    await api.delete_group("a/b")
    assert await api.group("a/b") is None
    assert [(method, path, body) for method, path, body in sent if method != "GET"] == [
        ("POST", here, "{}"),
        ("POST", f"{here}/users", '{"users": ["ada"]}'),
        ("DELETE", f"{here}/users", '{"users": ["ada"]}'),
        ("PUT", f"{here}/properties", '{"x": [1]}'),
        ("DELETE", here, ""),
    ]


@pytest.mark.parametrize("document", [{}, {"items": []}, {"_pagination": {"next": None}}])
async def test_an_incomplete_page_says_nothing(hub, document):
    api, answers, _ = hub
    answers["GET", "/hub/api/users?state=active&offset=0&limit=200"] = (200, document)
    with pytest.raises(HubError):
        await api.active_servers()


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_token_that_the_hub_rejects_has_no_owner(hub, status):
    api, answers, _ = hub
    answers["GET", "/hub/api/user"] = (200, {"name": "ada"})
    assert await api.owner_of("theirs") == {"name": "ada"}
    answers["GET", "/hub/api/user"] = (status, {"message": "no"})
    assert await api.owner_of("theirs") is None


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_failing_hub_says_nothing_about_a_token(hub, status):
    api, answers, _ = hub
    answers["GET", "/hub/api/user"] = (status, {"message": "no"})
    with pytest.raises(HubUnavailableError):
        await api.owner_of("theirs")


async def test_a_server_is_stopped(hub):
    api, answers, sent = hub
    answers["DELETE", "/hub/api/users/b%2Fb/servers/"] = (202, "")
    await api.stop_server("b/b", "")
    assert sent == [("DELETE", "/hub/api/users/b%2Fb/servers/", "")]
