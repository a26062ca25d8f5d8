"""The lease over a desk that a test holds in its hand: a real HTTP server in the same loop."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from tornado.httpclient import HTTPClientError
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from jupyterlab_gpudock.lease.desk_client import hub_environment
from jupyterlab_gpudock.lease.lease import CACHE_SECONDS, ServerLease

LEASE = {
    "id": "lease-7",
    "user": "ada",
    "gpus": ["GPU-1"],
    "ends_at": 2000.0,
    "ends_because": "time",
    "why": "The session ends at noon.",
    "can_extend": True,
    "extendable_until": 9000.0,
    "idle_since": 1000.0,
}
EFFECTIVE = {
    "limits": {
        "gpu_hours": {"value": 40, "origin": "default"},
        "window_days": {"value": 7, "origin": "default"},
        "idle_minutes": {"value": 30, "origin": "user"},
    },
    "used": {"gpus": 1, "gpu_hours": 12.5},
}
QUEUE = {"queue": [], "length": 3}
GPUS = {
    "gpus": [
        {"uuid": "GPU-0", "index": 0, "host": "lab"},
        {"uuid": "GPU-1", "index": 3, "host": "lab"},
    ]
}


class FakeDesk:
    """Answers what the test put there, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes, str]] = []
        self.answers: dict[str, object] = {
            "leases/me": {"leases": [{**LEASE, "id": "another"}, LEASE]},
            "quotas/users/ada/effective": EFFECTIVE,
            "queue": QUEUE,
            "gpus": GPUS,
            "leases/lease-7/extend": LEASE,
            "leases/lease-7": LEASE,
        }
        self.statuses: dict[str, int] = {}
        self.languages: set[str] = set()

    def count(self, path: str) -> int:
        return sum(asked[1] == path for asked in self.asked)


@pytest.fixture
def desk(jp_asyncio_loop):
    desk = FakeDesk()

    class Route(RequestHandler):
        """Every route of the desk."""

        async def _answer(self, path: str) -> None:
            token = self.request.headers["Authorization"]
            desk.asked.append((self.request.method, path, self.request.body, token))
            desk.languages.add(self.request.headers["Accept-Language"])
            self.set_status(desk.statuses.get(path, 200))
            answer = desk.answers[path]
            self.finish(answer if isinstance(answer, bytes) else json.dumps(answer))

        get = post = delete = _answer

    listener, port = bind_unused_port()

    async def serve() -> HTTPServer:
        server = HTTPServer(Application([(r"/services/gpudock/api/v1/(.*)", Route)]))
        server.add_socket(listener)
        return server

    server = jp_asyncio_loop.run_until_complete(serve())
    desk.environment = {
        "GPUDOCK_LEASE": "lease-7",
        "GPUDOCK_API_URL": f"http://127.0.0.1:{port}/services/gpudock/api/v1",
        "JUPYTERHUB_API_TOKEN": "secret-of-the-server",
        "JUPYTERHUB_USER": "ada",
        "JUPYTERHUB_BASE_URL": "/lab/",
        "JUPYTERHUB_SERVER_NAME": "big one",
    }
    desk.server = server
    yield desk
    server.stop()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lease(desk, clock):
    return ServerLease(hub_environment(desk.environment), clock=clock, wall_clock=lambda: 1500.0)


async def test_the_lease_with_all_its_countdowns(lease, desk):
    assert await lease.document() == {
        "managed": True,
        "lease": "lease-7",
        "state": "ok",
        "message": "",
        "fetched_at": 1500.0,
        "now": 1500.0,
        "gpus": ["GPU-1"],
        "host_gpus": {"GPU-1": 3},
        "ends_at": 2000.0,
        "ends_because": "time",
        "why": "The session ends at noon.",
        "can_extend": True,
        "extendable_until": 9000.0,
        "idle": {"limit_minutes": 30.0, "since": 1000.0, "ends_at": 2800.0},
        "quota": {
            "gpu_hours_limit": 40.0,
            "gpu_hours_used": 12.5,
            "gpu_hours_left": 27.5,
            "window_days": 7.0,
        },
        "queue_length": 3,
        "hub_home": "/lab/hub/home",
        "desk": "/lab/services/gpudock/",
        "can_restart": True,
        "restart_page": "/lab/hub/spawn/ada/big%20one?opt-again=1",
    }
    assert {token for *_, token in desk.asked} == {"token secret-of-the-server"}


async def test_no_limits_are_no_limits(lease, desk):
    limits = {name: {"value": None} for name in ("gpu_hours", "idle_minutes")}
    desk.answers["quotas/users/ada/effective"] = {"limits": limits, "used": {"gpu_hours": 2}}
    document = await lease.document()
    assert document["quota"]["gpu_hours_left"] is None
    assert document["idle"]["ends_at"] is None


async def test_the_desk_is_asked_once_in_five_seconds(lease, desk, clock):
    for _ in range(10):
        await lease.document()
    assert desk.count("leases/me") == 1
    clock.now += CACHE_SECONDS
    await lease.document()
    assert desk.count("leases/me") == 2


async def test_a_desk_that_goes_down_leaves_its_last_response(lease, desk, clock):
    await lease.document()
    clock.now += CACHE_SECONDS
    desk.statuses["leases/me"] = 503
    desk.answers["leases/me"] = {"error": "unavailable", "message": "The database is away."}
    document = await lease.document()
    assert (document["state"], document["message"]) == ("stale", "The database is away.")
    assert document["ends_at"] == 2000.0


async def test_a_desk_that_was_never_there_is_out_of_reach(lease, desk):
    desk.server.stop()
    document = await lease.document()
    assert (document["state"], document["ends_at"]) == ("unreachable", None)
    assert document["message"].startswith("The desk of the hub does not answer")


async def test_a_token_without_permission_is_reported(lease, desk):
    desk.statuses["leases/me"] = 403
    desk.answers["leases/me"] = {"error": "forbidden", "message": "This is for others."}
    document = await lease.document()
    assert (document["state"], document["message"]) == ("refused", "This is for others.")


async def test_limits_and_queue_that_are_rejected_leave_the_rest(lease, desk):
    desk.statuses["quotas/users/ada/effective"] = desk.statuses["queue"] = 403
    document = await lease.document()
    assert (document["state"], document["ends_at"]) == ("ok", 2000.0)
    assert (document["queue_length"], document["quota"]["gpu_hours_left"]) == (None, None)


async def test_a_lease_that_has_ended_is_none(lease, desk):
    desk.answers["leases/me"] = {"leases": []}
    document = await lease.document()
    assert (document["state"], document["gpus"]) == ("no_lease", [])


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html>", b"[]", b"{}", b'{"leases": 3}', b'{"leases": [1]}', b"[" * 5000],
)
async def test_answers_that_are_invalid_harm_nobody(lease, desk, answer):
    desk.answers["leases/me"] = answer
    assert (await lease.document())["state"] == "unreachable"


@pytest.mark.parametrize("wrong", ["soon", True, [], {}, float("nan"), 1e999])
async def test_fields_that_are_invalid_are_left_out(lease, desk, wrong):
    desk.answers["leases/me"] = {"leases": [{**dict.fromkeys(LEASE, wrong), "id": "lease-7"}]}
    desk.answers["quotas/users/ada/effective"] = {"limits": wrong, "used": wrong}
    desk.answers["queue"] = {"length": wrong}
    document = await lease.document()
    assert (document["state"], document["ends_at"], document["queue_length"]) == ("ok", None, None)
    json.dumps(document, allow_nan=False)


@pytest.fixture
def under_a_hub(desk, monkeypatch):
    for name, value in desk.environment.items():
        monkeypatch.setenv(name, value)
    return desk


@pytest.fixture
def fetch(under_a_hub, jp_fetch):
    async def ask(
        *path: str, body: str | None = "", headers: dict[str, str] | None = None
    ) -> tuple[int, dict]:
        about = {"method": "GET" if body is None else "POST", "body": body}
        try:
            response = await jp_fetch("gpudock", "api", *path, **about, headers=headers)
        except HTTPClientError as error:
            response = error.response
        return response.code, json.loads(response.body)

    return ask


async def test_an_extension_is_asked_for_and_told(fetch, desk):
    await fetch("lease", body=None)
    desk.answers["leases/me"] = {"leases": [{**LEASE, "ends_at": 5600.0}]}
    status, document = await fetch("lease", "extend", body='{"hours": 1.5}')
    assert (status, document["ends_at"]) == (200, 5600.0)
    method, _, body, _ = next(asked for asked in desk.asked if asked[1].endswith("extend"))
    assert (method, json.loads(body)) == ("POST", {"hours": 1.5})
    await fetch("lease", "extend")
    assert [asked[2] for asked in desk.asked if asked[1].endswith("extend")][1] == b""


async def test_the_desk_is_asked_in_the_languages_of_the_browser(fetch, desk):
    chinese = {"Accept-Language": "zh-CN,zh;q=0.9"}
    await fetch("lease", body=None, headers=chinese)
    await fetch("lease", "extend", headers=chinese)
    assert desk.languages == {"zh-CN,zh;q=0.9"}
    await fetch("lease", "extend")
    assert desk.languages == {"zh-CN,zh;q=0.9", "en"}


async def test_an_extension_that_gains_nothing_is_rejected_in_the_desks_words(fetch, desk):
    desk.statuses["leases/lease-7/extend"] = 409
    desk.answers["leases/lease-7/extend"] = {"error": "conflict", "message": "It is the limit."}
    status, document = await fetch("lease", "extend")
    assert (status, document) == (
        409,
        {"code": "not_done", "parameters": {}, "message": "It is the limit."},
    )


@pytest.mark.parametrize(
    "body",
    [
        '{"hours": 0}',
        '{"hours": -1}',
        '{"hours": 1e9}',
        '{"hours": Infinity}',
        '{"hours": "1"}',
        '{"hours": true}',
        '{"days": 1}',
        "7",
        "{",
    ],
)
async def test_hours_that_are_invalid_reach_no_desk(fetch, desk, body):
    status, document = await fetch("lease", "extend", body=body)
    assert (status, document["code"]) == (400, "bad_request")
    assert desk.count("leases/lease-7/extend") == 0


async def test_a_release_is_the_desks_delete(fetch, desk):
    status, document = await fetch("lease", "release")
    assert status == 200
    assert document["message"] == "The GPU is given back; this server ends now."
    assert ("DELETE", "leases/lease-7") in [asked[:2] for asked in desk.asked]


async def test_a_restart_ends_the_server_and_leads_to_the_page_that_starts_it(fetch, desk):
    status, document = await fetch("server", "restart")
    assert (status, document["restarting"]) == (200, True)
    assert document["hub_home"] == "/lab/hub/spawn/ada/big%20one?opt-again=1"
    assert desk.count("leases/lease-7") == 1


async def test_a_restart_that_the_desk_refuses_leads_to_the_hubs_home(fetch, desk):
    desk.statuses["leases/lease-7"] = 403
    desk.answers["leases/lease-7"] = {"error": "forbidden", "message": "Not you."}
    status, document = await fetch("server", "restart")
    assert (status, document["restarting"], document["hub_home"]) == (200, False, "/lab/hub/home")
    assert document["code"] == "refused"
    assert document["message"].startswith("Not you.")


async def test_a_desk_that_is_down_is_reported_within_its_time(fetch, desk):
    desk.server.stop()
    began = time.monotonic()
    status, document = await fetch("lease", "release")
    assert (status, document["code"]) == (503, "unreachable")
    assert time.monotonic() - began < 10


async def test_the_token_is_in_no_answer(fetch, desk):
    for path, body in ((("lease",), None), (("lease", "extend"), ""), (("server", "restart"), "")):
        _, document = await fetch(*path, body=body)
        assert "secret-of-the-server" not in json.dumps(document)
    assert "secret" not in repr(hub_environment(desk.environment))


async def test_without_a_hub_there_is_no_lease(jp_fetch):
    document = json.loads((await jp_fetch("gpudock", "api", "lease")).body)
    assert (document["managed"], document["state"], document["hub_home"]) == (
        False,
        "unmanaged",
        None,
    )
    for path in (("lease", "extend"), ("lease", "release"), ("server", "restart")):
        with pytest.raises(HTTPClientError) as error:
            await jp_fetch("gpudock", "api", *path, method="POST", body="")
        assert error.value.code == 409
        assert json.loads(error.value.response.body)["code"] == "unmanaged"


@pytest.mark.parametrize(
    ("environ", "managed", "lease"),
    [
        ({}, False, None),
        ({"GPUDOCK_API_URL": "http://hub/api/"}, True, None),
        ({"GPUDOCK_LEASE": " lease-7 "}, True, "lease-7"),
        ({"GPUDOCK_LEASE": "", "JUPYTERHUB_API_TOKEN": "x"}, False, None),
    ],
)
async def test_a_hub_without_a_gpu_is_distinguished_from_no_hub(environ, managed, lease):
    found = hub_environment(environ)
    assert (found.managed, found.lease) == (managed, lease)
    document = await ServerLease(found).document()
    assert document["state"] in ("unmanaged", "no_lease", "unreachable")


async def test_who_asks_first_may_go_away(lease, desk):
    first = asyncio.ensure_future(lease.document())
    await asyncio.sleep(0)
    second = asyncio.ensure_future(lease.document())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)["state"] == "ok"
    assert desk.count("leases/me") == 1


async def test_the_places_of_the_gpus_are_asked_for_until_they_are_known(lease, desk, clock):
    desk.statuses["gpus"] = 503
    assert (await lease.document())["host_gpus"] == {}
    for answer in ({"gpus": None}, {"gpus": [7, {"uuid": "GPU-1", "index": "3"}]}):
        desk.statuses["gpus"], desk.answers["gpus"] = 200, answer
        clock.now += CACHE_SECONDS
        document = await lease.document()
        assert (document["state"], document["host_gpus"]) == ("ok", {})
    desk.answers["gpus"] = GPUS
    for _ in range(3):
        clock.now += CACHE_SECONDS
        assert (await lease.document())["host_gpus"] == {"GPU-1": 3}
    assert desk.count("gpus") == 4
