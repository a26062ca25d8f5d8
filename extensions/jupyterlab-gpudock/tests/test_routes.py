from __future__ import annotations

import json
import re
import sys

import pytest
from jupyter_server.auth.authorizer import Authorizer
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketHandler, websocket_connect

ROUTES = {
    ("get", "gpus"): (200, "read"),
    ("get", "history"): (200, "read"),
    ("get", "environments"): (200, "read"),
    ("get", "stack"): (200, "read"),
    ("get", "snippets"): (200, "read"),
    ("get", "lease"): (200, "read"),
    ("get", "limits"): (200, "read"),
    ("get", "ends"): (200, "read"),
    ("get", "stream"): (101, "read"),
    ("get", "checks"): (200, "read"),
    ("get", "checks/([0-9a-f]{32})"): (404, "read"),
    ("post", "checks"): (400, "execute"),
    ("delete", "checks/([0-9a-f]{32})"): (404, "execute"),
    ("post", "lease/extend"): (409, "write"),
    ("post", "lease/release"): (409, "write"),
    ("post", "server/restart"): (409, "write"),
}
"""What each route answers here to who may ask, and what the authoriser is asked for."""


class DenyEverything(Authorizer):
    """Knows every user and lets none of them do anything."""

    def is_authorized(self, handler, user, action, resource):
        return False


class RememberQuestions(Authorizer):
    """Allows everything, and keeps what was asked."""

    questions: set[tuple[str, str]] = set()  # noqa: RUF012  shared with the test by the class

    def is_authorized(self, handler, user, action, resource):
        self.questions.add((action, resource))
        return True


def extension_routes(serverapp) -> dict[str, type]:
    """Path and handler of every route that the extension has put into the server."""
    found = {}
    for host_rule in serverapp.web_app.default_router.rules:
        for rule in getattr(host_rule.target, "rules", ()):
            if str(getattr(rule.target, "__module__", "")).startswith("jupyterlab_gpudock"):
                found[rule.matcher.regex.pattern.rstrip("$")] = rule.target
    return found


def methods_of(handler: type) -> list[str]:
    """The HTTP methods that a handler of the extension has itself."""
    return [
        method
        for method in ("get", "post", "put", "patch", "delete")
        if getattr(handler, method).__module__.startswith("jupyterlab_gpudock")
    ]


def sample(path: str) -> str:
    """An address that a route's pattern fits."""
    return path.replace("([0-9a-f]{32})", "0" * 32)


async def status_of_each_route(
    serverapp, port, client, headers, only=None
) -> dict[tuple[str, str], int]:
    """What each method of each route answers, by method and path below the interface's."""
    statuses = {}
    for pattern, handler in extension_routes(serverapp).items():
        path, name = sample(pattern), pattern.partition("gpudock/api/")[2]
        for method in methods_of(handler):
            if only is not None and (method, name) != only:
                continue
            if issubclass(handler, WebSocketHandler):
                request = HTTPRequest(f"ws://localhost:{port}{path}", headers=headers)
                try:
                    (await websocket_connect(request)).close()
                    statuses[method, name] = 101
                except HTTPClientError as error:
                    statuses[method, name] = error.code
                continue
            response = await client.fetch(
                path,
                method=method.upper(),
                body="" if method == "post" else None,
                headers=headers,
                raise_error=False,
                follow_redirects=False,
            )
            statuses[method, name] = response.code
    return statuses


def test_every_route_is_known_to_this_test(jp_serverapp):
    found = {
        (method, pattern.partition("gpudock/api/")[2])
        for pattern, handler in extension_routes(jp_serverapp).items()
        for method in methods_of(handler)
    }
    assert found == ROUTES.keys()


async def test_every_route_rejects_a_missing_token(jp_serverapp, jp_http_port, http_server_client):
    statuses = await status_of_each_route(jp_serverapp, jp_http_port, http_server_client, {})
    assert statuses == dict.fromkeys(ROUTES, 403)


async def test_every_route_rejects_a_wrong_token(jp_serverapp, jp_http_port, http_server_client):
    headers = {"Authorization": "token wrong"}
    statuses = await status_of_each_route(jp_serverapp, jp_http_port, http_server_client, headers)
    assert statuses == dict.fromkeys(ROUTES, 403)


async def test_every_route_is_open_with_the_token(
    jp_serverapp, jp_http_port, http_server_client, jp_auth_header
):
    statuses = await status_of_each_route(
        jp_serverapp, jp_http_port, http_server_client, jp_auth_header
    )
    assert statuses == {route: status for route, (status, _) in ROUTES.items()}


async def test_every_route_rejects_what_the_authorizer_denies(
    jp_serverapp, jp_http_port, http_server_client, jp_auth_header
):
    jp_serverapp.web_app.settings["authorizer"] = DenyEverything(parent=jp_serverapp)
    statuses = await status_of_each_route(
        jp_serverapp, jp_http_port, http_server_client, jp_auth_header
    )
    assert statuses == dict.fromkeys(ROUTES, 403)


async def test_the_authorizer_is_asked_for_what_each_route_does(
    jp_serverapp, jp_http_port, http_server_client, jp_auth_header
):
    for route in ROUTES:
        RememberQuestions.questions.clear()
        jp_serverapp.web_app.settings["authorizer"] = RememberQuestions(parent=jp_serverapp)
        await status_of_each_route(
            jp_serverapp, jp_http_port, http_server_client, jp_auth_header, route
        )
        assert RememberQuestions.questions == {(ROUTES[route][1], "gpudock")}, route


async def test_no_other_method_does_anything(jp_serverapp, jp_fetch):
    for pattern, handler in extension_routes(jp_serverapp).items():
        for method in {"post", "put", "patch", "delete"} - set(methods_of(handler)):
            if issubclass(handler, WebSocketHandler):
                continue
            with pytest.raises(HTTPClientError) as error:
                await jp_fetch(
                    *re.findall(r"[^/]+", sample(pattern))[1:],
                    method=method.upper(),
                    allow_nonstandard_methods=True,
                )
            assert error.value.code in {403, 405}, (pattern, method)


async def test_gpus_are_read_when_nobody_watches(jp_fetch, reader):
    first = json.loads((await jp_fetch("gpudock", "api", "gpus")).body)
    assert (first["type"], first["state"], first["driver"]) == ("snapshot", "ok", "550.54.15")
    (gpu,) = first["gpus"]
    assert (gpu["name"], gpu["utilization_percent"]) == ("NVIDIA A100-SXM4-40GB", 87)
    assert not first["stale"]
    assert reader.reads == 1


async def test_the_history_has_a_column_for_each_gpu(jp_fetch, reader):
    await jp_fetch("gpudock", "api", "gpus")
    history = json.loads((await jp_fetch("gpudock", "api", "history")).body)
    assert len(history["times"]) == 1
    assert list(history["gpus"].values()) == [
        {
            "utilization_percent": [87],
            "memory_used_mib": [31_744],
            "temperature_c": [64],
            "power_w": [283.4],
        }
    ]


@pytest.mark.parametrize("points", ["-1", "1e3", "many", "²", "9" * 30])
async def test_a_history_of_no_number_of_points_is_rejected(jp_fetch, points):
    with pytest.raises(HTTPClientError) as error:
        await jp_fetch("gpudock", "api", "history", params={"points": points})
    assert error.value.code == 400
    assert json.loads(error.value.response.body)["code"] == "bad_request"


async def test_the_stack_of_an_unknown_kernel_is_not_found(jp_fetch):
    with pytest.raises(HTTPClientError) as error:
        await jp_fetch("gpudock", "api", "stack", params={"kernel": "../../bin/sh"})
    assert error.value.code == 404


async def test_the_stack_of_the_default_kernel_has_its_python_and_a_verdict(jp_fetch):
    stack = json.loads((await jp_fetch("gpudock", "api", "stack")).body)
    assert stack["environment"]["python"].startswith("3.")
    assert stack["driver"] == "550.54.15"
    verdict = stack["verdict"]
    assert set(verdict) == {"usable", "code", "parameters", "findings"}
    assert verdict["findings"][0]["code"] == verdict["code"]


async def test_the_environments_are_listed_without_being_asked(jp_fetch):
    listed = json.loads((await jp_fetch("gpudock", "api", "environments")).body)
    rows = {row["kernel"]: row for row in listed["environments"]}
    assert listed["default"] in rows
    assert rows["python3"]["language"] == "python"
    assert rows["python3"]["executable"] == sys.executable
    assert rows["python3"]["known"] is False
    await jp_fetch("gpudock", "api", "stack", params={"kernel": "python3"})
    listed = json.loads((await jp_fetch("gpudock", "api", "environments")).body)
    assert [row["known"] for row in listed["environments"] if row["kernel"] == "python3"] == [True]
