"""Answers of the desk are in the language of the browser that asks; files and records are not."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from doubles.inventory import SettableInventory, gpu
from gpudock.broker import BrokerConfig
from gpudock.desk.app import make_app
from gpudock.desk.backend import Backend
from gpudock.desk.handlers import DeskHandler
from gpudock.desk.hub_client import DeskOAuth, HubClient
from gpudock.desk.identity import Principal, Scope
from gpudock.hub_api import HubAPI, HubGroup, HubUser
from gpudock.model import Lease, Request
from gpudock.policy.gpu_health import AdminState
from gpudock.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.integration

CHINESE = "zh-CN,zh;q=0.9,en;q=0.8"
EVERYONE = Scope(everyone=True)
ADMIN = Principal("root", "root", (), EVERYONE, EVERYONE)
HOUR = 3600.0


class FakeHub:
    """The Hub's API, as far as these tests need it."""

    url = "http://127.0.0.1:9/hub/api"

    async def users(self) -> list[HubUser]:
        return [HubUser("ada", ())]

    async def groups(self) -> list[HubGroup]:
        return []

    async def user(self, name: str) -> HubUser | None:
        return None

    def close(self) -> None:
        pass


class Desk:
    """A desk whose every request comes from an administrator."""

    def __init__(self, url: str, store: Store) -> None:
        self._url = url
        self.store = store

    async def ask(
        self, path: str, language: str | None = None, method: str = "GET", **request: Any
    ) -> HTTPResponse:
        headers = dict(request.pop("headers", {}))
        if language is not None:
            headers["Accept-Language"] = language
        return await AsyncHTTPClient().fetch(
            f"{self._url}{path}", method=method, headers=headers, raise_error=False, **request
        )

    async def both(self, path: str, **request: Any) -> tuple[Any, Any]:
        """Return the answers to a client that names no language, and to a Chinese browser."""
        english = await self.ask(path, **request)
        chinese = await self.ask(path, CHINESE, **request)
        for answer in (english, chinese):
            assert "Accept-Language" in answer.headers["Vary"]
        assert chinese.code == english.code
        return json.loads(english.body), json.loads(chinese.body)


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    store = Store(f"sqlite:///{tmp_path}/gpudock.sqlite")
    store.migrate()
    hub = HubClient(HubAPI("http://127.0.0.1:9/hub/api", "token"))
    hub.api = FakeHub()  # type: ignore[assignment]
    inventory = SettableInventory((gpu(0),))
    backend = Backend(store, inventory, hub, BrokerConfig(leftover_memory_mib=None))

    async def authenticate(self: DeskHandler) -> Principal:
        self.principal = ADMIN
        return ADMIN

    monkeypatch.setattr(DeskHandler, "authenticate", authenticate)
    oauth = DeskOAuth(
        api_url="http://127.0.0.1:9/hub/api",
        api_token="token",
        base_url="/services/gpus/",
        hub_prefix="/hub/",
        oauth_client_id="service-gpus",
        access_scopes={"access:services!service=gpus"},
    )
    socket, port = bind_unused_port()
    server = HTTPServer(make_app(backend, oauth, cookie_secret=b"s" * 32))
    server.add_socket(socket)
    yield Desk(f"http://127.0.0.1:{port}/services/gpus/", store)
    server.stop()
    await server.close_all_connections()
    await asyncio.to_thread(backend.close)


def lease(**fields: Any) -> Lease:
    granted = {"granted_at": time.time() - HOUR, "expires_at": time.time() + HOUR}
    return Lease("one", "ada", "", "image", (gpu(0).uuid,), **{**granted, **fields})


async def test_errors_are_in_the_language_of_the_browser(desk):
    english, chinese = await desk.both("api/v1/nothing")
    assert english == {
        "error": "not_found",
        "message": "There is nothing at this address; openapi.json lists all addresses.",
    }
    assert chinese == {
        "error": "not_found",
        "message": "此地址没有内容；openapi.json 列出了所有地址。",
    }


async def test_a_field_that_is_not_valid_is_named_in_both(desk):
    english, chinese = await desk.both(
        "api/v1/quotas/users/ada",
        method="PUT",
        body='{"max_gpus": -1}',
        headers={"Content-Type": "application/json"},
    )
    assert english["message"] == (
        "max_gpus is a whole number from 0 to 1000000, or null for no limit."
    )
    assert chinese["message"] == "max_gpus 应为从 0 到 1000000 的整数；null 表示没有限制。"
    english, chinese = await desk.both("api/v1/leases?limit=two")
    assert english["message"] == 'The address: "limit" is not valid: it is not a whole number.'
    assert chinese["message"] == "地址的“limit”无效：它不是整数。"


async def test_the_reasons_of_the_queue(desk):
    with desk.store.transaction() as transaction:
        transaction.gpus.save(gpu(0), 0.0)
        transaction.leases.add(lease())
        transaction.requests.add(Request("waits", "bob", "", 1, time.time(), "image"))
    english, chinese = await desk.both("api/v1/queue")
    assert english["queue"][0]["reason"] == "All matching GPUs are in use."
    assert chinese["queue"][0]["reason"] == "所有匹配的 GPU 都在使用中。"


async def test_what_the_hub_stored_about_a_gpu(desk):
    with desk.store.transaction() as transaction:
        transaction.gpus.save(gpu(0), 0.0)
        transaction.gpus.set_admin_state(gpu(0).uuid, AdminState.DRAINING, "Drained by root.")
        transaction.requests.add(Request("waits", "bob", "", 1, time.time(), "image"))
    english, chinese = await desk.both("api/v1/gpus")
    assert english["gpus"][0]["reason"] == "Drained by root."
    assert chinese["gpus"][0]["reason"] == "由 root 排空。"
    english, chinese = await desk.both("api/v1/queue")
    assert english["queue"][0]["reason"] == "All matching GPUs are out of service. Drained by root."
    assert chinese["queue"][0]["reason"] == "所有匹配的 GPU 都已停止服务。由 root 排空。"
    english, chinese = await desk.both(
        f"api/v1/gpus/{gpu(0).uuid}",
        method="PATCH",
        body='{"state": "draining"}',
        headers={"Content-Type": "application/json"},
    )
    assert english["state"] == chinese["state"] == "draining"


async def test_the_problems_of_an_import(desk):
    table = 'level,name,max_gpus\nuser,ada,many\nuser,adda,2\nuser,"x'
    request = {"method": "POST", "body": table, "headers": {"Content-Type": "text/csv"}}
    english, chinese = await desk.both("api/v1/quotas.csv/preview", **request)
    assert chinese["problems"][0]["message"].startswith("这不是以逗号分隔的表格（")
    request["body"] = "level,name,max_gpus\nuser,ada,many\nuser,bob,2\n"
    english, chinese = await desk.both("api/v1/quotas.csv/preview", **request)
    assert english["problems"] == [
        {
            "line": 2,
            "message": 'column "max_gpus" has "many": max_gpus is a whole number from 0 to 1000000,'
            ' or "none" for no limit.',
            "column": "max_gpus",
        }
    ]
    assert chinese["problems"][0]["message"] == (
        '“max_gpus”列的值为“many”：max_gpus 应为从 0 到 1000000 的整数；"none" 表示没有限制。'
    )
    request["body"] = "level,name,max_gpus\nuser,adam,2\n"
    english, chinese = await desk.both("api/v1/quotas.csv/preview", **request)
    assert english["warnings"][0]["message"] == 'the lab has no user "adam". Is "ada" meant?'
    assert chinese["warnings"][0]["message"] == "实验室没有用户“adam”。您是否指“ada”？"
    english, chinese = await desk.both(
        "api/v1/quotas.csv",
        **{**request, "method": "PUT", "body": "level,name,max_gpus\nuser,ada,many\nuser,bob,-1\n"},
    )
    assert english["message"].startswith('Line 2: column "max_gpus" has "many": ')
    assert english["message"].endswith(" Nothing was changed.")
    assert chinese["message"].startswith("第 2 行：“max_gpus”列的值为“many”：")
    assert chinese["message"].endswith("没有限制。未作任何更改。")


async def test_limits_that_contradict_each_other(desk):
    change = {"level": "user", "name": "ada"}
    document = {"session_hours": 5, "max_session_hours": 2}
    english, chinese = await desk.both(
        "api/v1/quotas/preview",
        method="POST",
        body=json.dumps({"changes": [{**change, "document": document}]}),
        headers={"Content-Type": "application/json"},
    )
    assert english["contradictions"][0].startswith('For the user "ada": session_hours is 5, and')
    assert chinese["contradictions"][0] == (
        "对于用户“ada”：session_hours 为 5，而 max_session_hours 只有 2："
        "会话时长将为上限 2 小时，且不能延长。"
    )


async def test_ended_sessions_in_pages_are_translated_and_in_files_are_not(desk):
    with desk.store.transaction() as transaction:
        transaction.gpus.save(gpu(0), 0.0)
        transaction.leases.add(lease())
        transaction.leases.end(lease(), "its container exited (137)", time.time())
    english, chinese = await desk.both("api/v1/sessions")
    killed = "The container was killed, most often for lack of memory (exit code 137)"
    assert english["rows"][0]["end_text"] == killed
    in_chinese = "容器被强制终止，最常见的原因是内存不足（退出码 137）"
    assert chinese["rows"][0]["end_text"] == in_chinese
    english, chinese = await desk.both("api/v1/leases?state=ended")
    why = "The session is over: its container exited (137)."
    assert (english["leases"][0]["why"], english["leases"][0]["end_text"]) == (why, killed)
    assert chinese["leases"][0]["why"] == f"会话已结束：{in_chinese}。"
    assert chinese["leases"][0]["end_reason"] == "its container exited (137)"
    file = await desk.ask("api/v1/sessions?format=csv", CHINESE)
    assert killed in file.body.decode()


async def test_the_description_of_the_api_is_english(desk):
    english, chinese = await desk.both("api/v1/openapi.json")
    assert english == chinese


async def test_requests_at_the_same_time_do_not_share_a_language(desk):
    answers = await asyncio.gather(
        *(desk.ask("api/v1/nothing", language) for language in (CHINESE, None, "en", "zh") * 5)
    )
    messages = [json.loads(answer.body)["message"][:5] for answer in answers]
    assert messages == ["此地址没有", "There", "There", "此地址没有"] * 5


async def test_pages_are_in_the_language_of_the_browser(desk):
    chinese = (await desk.ask("lab", CHINESE)).body.decode()
    assert '<html lang="zh-CN">' in chinese
    assert "<h1>实验室</h1>" in chinese
    assert "此页面需要 JavaScript。" in chinese
    english = (await desk.ask("lab")).body.decode()
    assert '<html lang="en">' in english
    assert "<h1>Lab</h1>" in english
    missing = (await desk.ask("nowhere", CHINESE)).body.decode()
    assert "出错了" in missing
    assert "此地址没有内容；openapi.json 列出了所有地址。" in missing
