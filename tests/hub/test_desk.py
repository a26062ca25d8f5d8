"""The desk with a real hub: what requests do, and what happens when a part is missing."""

from __future__ import annotations

import re
import socket
import sqlite3
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from harness.desk_process import API, PREFIX, DeskProcess
from harness.hub_client import HubClient
from harness.hub_process import PASSWORD
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.hub_process import HubProcess

METRICS_TOKEN = "prometheus-may-read-this"


@pytest.fixture(scope="module")
def desk(shared_hub: HubProcess) -> Iterator[DeskProcess]:
    desk = DeskProcess(shared_hub, METRICS_TOKEN=METRICS_TOKEN, SHOW_HOLDERS="yes").start()
    yield desk
    desk.close()


@pytest.fixture
def admin(desk: DeskProcess, hub: HubProcess) -> Iterator[Callable[..., httpx.Response]]:
    """Send requests as an administrator; quotas are restored afterwards."""
    token = desk.token(hub.admin)

    def ask(method: str, path: str, **request) -> httpx.Response:
        return desk.ask(method, path, token, **request)

    yield ask
    documents = [row for row in table(ask("GET", "quotas.csv").text) if row and row[0] != "level"]
    gone = [{"level": row[0], "name": row[1], "document": None} for row in documents]
    if gone:
        assert ask("PATCH", "quotas", json={"changes": gone}).status_code == 200


def table(text):
    return [line.split(",") for line in text.splitlines()]


def put(ask, document, path="quotas/users/ada", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask("PUT", path, json=document, headers=named)


# Sessions and the queue.


def test_a_session_that_is_released_ends_its_server_at_the_hub(hub, desk):
    ada = hub.client("ada")
    ada.start_server(gpus=1)
    token = desk.token(ada)
    (lease,) = desk.ask("GET", "leases/me", token).json()["leases"]
    assert (lease["state"], lease["user"], len(lease["gpus"])) == ("active", "ada", 1)
    assert lease["ends_because"] == "time"
    released = desk.ask("DELETE", f"leases/{lease['id']}", token)
    assert released.status_code == 202
    assert released.json()["state"] in ("stopping", "ended")
    wait_for(lambda: ada.server_model() is None, "the Hub knows that the server is gone")
    wait_for(lambda: not hub.leases(), "the lease ends")
    assert desk.ask("DELETE", f"leases/{lease['id']}", token).status_code == 404
    past = desk.ask("GET", "leases?state=ended", token).json()["leases"][0]
    assert (past["id"], past["end_reason"]) == (lease["id"], "its user released it")


def test_a_wait_that_is_cancelled_ends_the_start_of_its_server(hub, desk):
    ada, bob, cleo = (hub.client(name) for name in ("ada", "bob", "cleo"))
    ada.start_server(gpus=1)
    bob.start_server(gpus=1)
    cleo.ask_for_server(gpus=1)
    token = desk.token(cleo)
    (waiting,) = wait_for(
        lambda: desk.ask("GET", "queue", token).json()["queue"], "cleo's request waits"
    )
    assert (waiting["position"], waiting["length"]) == (1, 1)
    assert waiting["reason"].endswith(".")
    assert waiting["expected_start"] is not None
    assert desk.ask("DELETE", f"queue/{waiting['id']}", token).status_code == 204
    wait_for(lambda: cleo.server_model() is None, "the Hub gives the start up")
    assert hub.queue() == []


def test_a_session_is_extended_as_far_as_the_quota_allows(hub, desk, admin):
    put(admin, {"session_hours": 1, "max_session_hours": 3})
    ada = hub.client("ada")
    ada.start_server(gpus=1)
    token = desk.token(ada)
    (lease,) = desk.ask("GET", "leases/me", token).json()["leases"]
    assert lease["can_extend"]
    path = f"leases/{lease['id']}/extend"
    longer = desk.ask("POST", path, token, json={"hours": 0.5}).json()
    assert longer["ends_at"] == pytest.approx(lease["ends_at"] + 1800)
    longest = desk.ask("POST", path, token, json={"hours": 100}).json()
    assert longest["ends_at"] == pytest.approx(lease["granted_at"] + 3 * 3600)
    refused = desk.ask("POST", path, token)
    assert refused.status_code == 409
    assert "3 hours at most" in refused.json()["message"]


def test_a_container_extends_its_session_in_steps_that_are_one_entry(hub, desk, admin):
    put(admin, {"session_hours": 1, "max_session_hours": 3})
    hub.client("ada").start_server(gpus=1)
    (container,) = hub.docker.servers
    token = container.environment["JUPYTERHUB_API_TOKEN"]
    (lease,) = desk.ask("GET", "leases/me", token).json()["leases"]
    path = f"leases/{lease['id']}/extend"
    refused = desk.ask("POST", path, token, json={"hours": 0.001})
    assert refused.status_code == 409
    assert "at least a minute" in refused.json()["message"]
    for _ in range(3):
        longer = desk.ask("POST", path, token, json={"hours": 0.1}).json()
    found = admin("GET", f"audit?what=lease.extend&target={lease['id']}").json()["rows"]
    assert [(entry["before"], entry["after"]) for entry in found] == [
        (lease["ends_at"], longer["ends_at"])
    ]


def test_all_users_see_holders_if_the_lab_is_configured_so(hub, desk):
    hub.client("ada").start_server(gpus=1)
    gpus = desk.ask("GET", "gpus", desk.token(hub.client("bob"))).json()["gpus"]
    assert [holder["user"] for gpu in gpus for holder in gpu["leases"]] == ["ada"]


def test_a_gpu_is_drained_shared_and_returned(hub, desk, admin):
    desk.wait_for_free_gpus(desk.token(hub.admin))
    uuid = admin("GET", "gpus").json()["gpus"][0]["uuid"]
    drained = admin("PATCH", f"gpus/{uuid}", json={"state": "draining"})
    assert drained.json()["state"] == "draining"
    assert "admin" in drained.json()["reason"]
    assert admin("PATCH", f"gpus/{uuid}", json={"state": "active"}).json()["state"] == "free"
    assert admin("PATCH", f"gpus/{uuid}", json={"slots": 4}).json()["slots"] == 4
    assert admin("PATCH", f"gpus/{uuid}", json={"slots": 1}).json()["slots"] == 1
    assert admin("DELETE", f"gpus/{uuid}").status_code == 409
    for body in ({}, {"slots": 0}, {"slots": 17}, {"slots": True}, {"slots": 2, "state": "active"}):
        assert admin("PATCH", f"gpus/{uuid}", json=body).status_code == 400
    kinds = {row["what"] for row in admin("GET", "audit?what=gpu").json()["rows"]}
    assert kinds == {"gpu.state", "gpu.slots"}


def test_all_gpus_that_are_fit_are_returned_at_once(hub, desk, admin):
    desk.wait_for_free_gpus(desk.token(hub.admin))
    one, two = (gpu["uuid"] for gpu in admin("GET", "gpus").json()["gpus"])
    assert admin("PATCH", "gpus", json={"state": "active"}).json() == {"returned": [], "kept": []}
    for uuid in (one, two):
        hub.docker.agent.change(uuid, fault="It has memory errors.")

    def reason(uuid):
        return {gpu["uuid"]: gpu["reason"] for gpu in admin("GET", "gpus").json()["gpus"]}[uuid]

    # The desk shows a fault as soon as it reads it; that it stays is for the hub to record.
    recorded = ["It has memory errors."] * 2
    wait_for(lambda: hub.gpu_troubles() == recorded, "the hub has recorded the faults")
    hub.docker.agent.change(one, fault=None)
    over = "It has memory errors. This is over; an administrator can return the GPU to service."
    wait_for(lambda: reason(one) == over, "one is well again")
    assert admin("PATCH", "gpus", json={"state": "active"}).json() == {
        "returned": [one],
        "kept": [{"uuid": two, "reason": "It has memory errors."}],
    }
    for body in ({}, {"state": "draining"}, {"slots": 1}):
        assert admin("PATCH", "gpus", json=body).status_code == 400


# Quotas.


def test_of_two_edits_at_once_the_later_learns_who_was_first(admin, hub, desk):
    first = put(admin, {"max_gpus": 2}, If_None_Match="*")
    assert first.headers["ETag"] == f'"{first.json()["revision"]}"'
    assert admin("GET", "quotas/users/ada").headers["ETag"] == first.headers["ETag"]
    hub.admin.api("PATCH", "/users/bob", {"admin": True})
    hub.client("bob")
    hub.admin.api("PATCH", "/users/bob", {"admin": True})
    bob = desk.token(hub.client("bob"))
    newer = desk.ask(
        "PUT",
        "quotas/users/ada",
        bob,
        json={"max_gpus": 3},
        headers={"If-Match": first.headers["ETag"]},
    )
    assert newer.status_code == 200, newer.text
    late = put(admin, {"max_gpus": 9}, If_Match=first.headers["ETag"])
    assert late.status_code == 412
    assert "changed by bob at 20" in late.json()["message"]
    assert put(admin, {"max_gpus": 9}, If_None_Match="*").status_code == 412
    assert admin("GET", "quotas/users/ada").json()["document"] == {"max_gpus": 3}
    assert put(admin, {"max_gpus": 4}, If_Match="*").status_code == 200
    assert put(admin, {}, "quotas/users/bob", If_Match="*").status_code == 412
    for nonsense in ("nonsense", "", "1.7", '"17'):
        assert put(admin, {"max_gpus": 4}, If_Match=nonsense).status_code == 400


def test_many_changes_are_made_all_or_none(admin):
    def change(name, document, **more):
        return {"level": "user", "name": name, "document": document, **more}

    good, bad = change("ada", {"max_gpus": 2}), change("bob", {"max_gpus": -2})
    refused = admin("PATCH", "quotas", json={"changes": [good, bad]})
    assert refused.status_code == 400
    assert "max_gpus" in refused.json()["message"]
    stale = change("bob", {"max_gpus": 2}, revision=99)
    assert admin("PATCH", "quotas", json={"changes": [good, stale]}).status_code == 412
    twice = admin("PATCH", "quotas", json={"changes": [good, good]})
    assert (twice.status_code, twice.json()["error"]) == (422, "unprocessable")
    assert "twice" in twice.json()["message"]
    assert admin("GET", "quotas/users/ada").json()["document"] is None
    fine = [good, change("bob", {"weight": 2}, revision=0)]
    assert admin("PATCH", "quotas", json={"changes": fine}).json() == {
        "changed": 2,
        "contradictions": [],
    }
    assert admin("GET", "quotas/users/bob").json()["document"] == {"weight": 2}


def test_a_preview_shows_effects_and_changes_nothing(hub, admin):
    hub.client("ada").start_server(gpus=1)
    change = {"level": "user", "name": "ada", "document": {"max_gpus": 0}}
    found = admin("POST", "quotas/preview", json={"changes": [change]}).json()
    assert [row["user"] for row in found["exceeding"]] == ["ada"]
    assert "limit is 0" in found["exceeding"][0]["reason"]
    assert admin("GET", "quotas/users/ada").json()["revision"] == 0


def test_limits_that_contradict_each_other_are_said_where_they_are_set(hub, admin):
    change = {"level": "user", "name": "ada", "document": {"session_hours": 24}}
    found = admin("POST", "quotas/preview", json={"changes": [change]}).json()
    assert "sessions will last 12 h, the maximum" in found["contradictions"][0]
    answer = put(admin, {"session_hours": 24, "max_session_hours": 8}).json()
    assert answer["document"]["session_hours"] == 24
    assert "sessions will last 8 h, the maximum" in answer["contradictions"][0]
    assert put(admin, {"session_hours": 6, "max_session_hours": 8}).json()["contradictions"] == []
    answer = put(admin, {"idle_minutes": 600}, "quotas/default").json()
    assert "For the default: idle_minutes is 600" in answer["contradictions"][0]
    many = [{**change, "revision": admin("GET", "quotas/users/ada").json()["revision"]}]
    answer = admin("PATCH", "quotas", json={"changes": many}).json()
    assert answer["changed"] == 1
    assert "sessions will last 12 h, the maximum" in answer["contradictions"][0]
    file = "level,name,session_hours,max_session_hours\nuser,ada,24,8\nuser,bob,2,8\n"
    answer = admin("PUT", "quotas.csv", content=file, headers={"Content-Type": "text/csv"}).json()
    assert answer["changed"] == 2
    assert "sessions will last 8 h, the maximum" in answer["contradictions"][0]


def test_an_effective_limit_names_its_level(hub, admin):
    hub.client("ada")
    put(admin, {"max_gpus": 1, "weight": 3}, "quotas/default")
    put(admin, {"max_gpus": 4})
    limits = admin("GET", "quotas/users/ada/effective").json()["limits"]
    assert limits["max_gpus"] == {"value": 4, "origin": "user"}
    assert limits["weight"] == {"value": 3.0, "origin": "default"}
    assert limits["max_session_hours"] == {"value": 12.0, "origin": "default"}


def test_the_table_is_searched_sorted_and_paged(hub, admin):
    for name in ("ada", "adam", "bob"):
        hub.client(name)
    put(admin, {"max_gpus": 5}, "quotas/users/bob")
    put(admin, {"max_gpus": 2}, "quotas/users/gone")

    def names(query):
        return [row["name"] for row in admin("GET", f"quotas?{query}").json()["rows"]]

    # The desk reads the users from the Hub every few seconds.
    everybody = ["ada", "adam", "admin", "bob", "gone"]
    wait_for(lambda: names("") == everybody, "the desk knows everybody")
    assert names("search=AD") == ["ada", "adam", "admin"]
    assert names("sort=-name&limit=2") == ["gone", "bob"]
    assert names("sort=-max_gpus&limit=2") == ["bob", "gone"]
    assert names("limit=2&offset=1") == ["adam", "admin"]
    assert admin("GET", "quotas?limit=1").json()["total"] == 5
    assert names("level=default") == [""]


def test_quotas_are_exported_and_imported_as_a_file(admin):
    put(admin, {"max_gpus": 2, "gpu_models": ["*A100*", "*L4*"], "gpu_hours": None})
    put(admin, {"group_max_gpus": 8}, "quotas/groups/vision")
    out = admin("GET", "quotas.csv")
    assert out.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="quotas.csv"' in out.headers["Content-Disposition"]

    def take(text):
        headers = {"Content-Type": "text/csv; charset=utf-8"}
        return admin("PUT", "quotas.csv", content=text.encode(), headers=headers)

    assert take(out.text).json() == {"changed": 0, "contradictions": []}
    assert take(out.text.replace("user,ada,2", "user,ada,3")).json() == {
        "changed": 1,
        "contradictions": [],
    }
    assert admin("GET", "quotas/users/ada").json()["document"]["max_gpus"] == 3
    bad = take("level,name,max_gpus\nuser,ada,7\nuser,bob,many\nteam,x,1\n")
    assert bad.status_code == 422
    assert "Line 3" in bad.json()["message"]
    assert "Line 4" in bad.json()["message"]
    assert admin("GET", "quotas/users/ada").json()["document"]["max_gpus"] == 3
    assert take("level,name\nuser,ada\n").json() == {"changed": 1, "contradictions": []}
    assert admin("GET", "quotas/users/ada").json()["document"] is None


@pytest.fixture
def send(admin):
    """Send a table: to the import or, with its path, to the preview."""

    def send(method, text, path="quotas.csv", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Content-Type"] = "text/csv; charset=utf-8"
        return admin(method, path, content=text.encode(), headers=named)

    return send


def test_a_preview_shows_what_an_import_would_mean(hub, admin, send):
    hub.client("ada").start_server(gpus=1)
    for name in ("ada", "bob", "cleo"):
        put(admin, {"max_gpus": 2}, f"quotas/users/{name}")
    text = "level,name,max_gpus\nuser,ada,0\nuser,bob,\nuser,cleo,2\nuser,dora,3\n"
    answer = send("POST", text, "quotas.csv/preview")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    kinds = ("added", "changed", "removed", "unchanged", "problem_count")
    assert [found[kind] for kind in kinds] == [1, 1, 1, 1, 0]
    assert [row["user"] for row in found["effect"]["exceeding"]] == ["ada"]
    assert found["changes"][0] == {
        "level": "user",
        "name": "ada",
        "before": {"max_gpus": 2},
        "after": {"max_gpus": 0},
    }
    assert admin("GET", "quotas/users/ada").json()["document"] == {"max_gpus": 2}
    tag = f'"{found["revision"]}"'
    assert admin("GET", "quotas.csv").headers["ETag"] == tag
    assert send("PUT", text, If_Match=tag).json() == {"changed": 3, "contradictions": []}
    assert admin("GET", "quotas/users/ada").json()["document"] == {"max_gpus": 0}


def test_a_file_is_not_imported_if_a_quota_changed_since_its_preview(admin, send):
    text = "level,name,max_gpus\nuser,ada,3\n"
    tag = f'"{send("POST", text, "quotas.csv/preview").json()["revision"]}"'
    put(admin, {"max_gpus": 7})
    late = send("PUT", text, If_Match=tag)
    assert late.status_code == 412
    assert "the latest (user/ada) by admin at 20" in late.json()["message"]
    assert admin("GET", "quotas/users/ada").json()["document"] == {"max_gpus": 7}
    tag = f'"{send("POST", text, "quotas.csv/preview").json()["revision"]}"'
    assert send("PUT", text, If_Match=tag).json() == {"changed": 1, "contradictions": []}


def test_all_problems_of_a_file_are_reported_by_line(admin, send):
    text = "level,name,max_gpus\nuser,ada,2\nuser,bob,many\nteam,x,1\n"
    found = send("POST", text, "quotas.csv/preview").json()
    assert found["problem_count"] == 2
    assert [problem["line"] for problem in found["problems"]] == [3, 4]
    assert "max_gpus is a whole number" in found["problems"][0]["message"]
    assert [found[kind] for kind in ("added", "changed", "removed", "unchanged")] == [0, 0, 0, 0]
    bad = "level,name,max_gpus\n" + "user,ada,x\n" * 300
    found = send("POST", bad, "quotas.csv/preview").json()
    assert (found["problem_count"], len(found["problems"])) == (300, 200)
    for text in ("", "nonsense"):
        assert send("POST", text, "quotas.csv/preview").json()["problems"][0]["line"] == 1


def test_a_file_as_excel_saves_it_in_german_is_previewed_and_imported(hub, admin):
    hub.client("ada")
    text = "sep=;\r\nLevel;Name;Max GPUs;GPU hours;\r\nuser;ada;2;12,5;\r\nuser;jürgen;1;;\r\n"

    def send(method, path, content):
        return admin(method, path, content=content, headers={"Content-Type": "text/csv"})

    for encoding in ("utf-16", "cp1252", "utf-8-sig"):
        found = send("POST", "quotas.csv/preview", text.encode(encoding)).json()
        assert (found["problem_count"], found["added"]) == (0, 2)
        assert [row["line"] for row in found["warnings"]] == [4]
        assert found["warnings"][0]["message"] == 'the lab has no user "jürgen".'
    assert send("PUT", "quotas.csv", text.encode("cp1252")).json() == {
        "changed": 2,
        "contradictions": [],
    }
    assert admin("GET", "quotas/users/ada").json()["document"] == {
        "max_gpus": 2,
        "gpu_hours": 12.5,
    }


def test_bad_input_changes_nothing_and_names_line_column_and_value(admin, send):
    before = admin("GET", "quotas.csv").headers["ETag"]
    text = "level;name;gpu_hours\nuser;ada;5\nuser;bob;1.000\n"
    answer = send("PUT", text)
    assert answer.status_code == 422
    assert 'Line 3: column "gpu_hours" has "1.000": it could be' in answer.json()["message"]
    (problem,) = send("POST", text, "quotas.csv/preview").json()["problems"]
    assert (problem["line"], problem["column"]) == (3, "gpu_hours")
    binary = {"content": b"PK\x03\x04\0\0", "headers": {"Content-Type": "text/csv"}}
    refused = admin("POST", "quotas.csv/preview", **binary)
    assert refused.status_code == 400
    assert "CSV UTF-8" in refused.json()["message"]
    assert admin("GET", "quotas.csv").headers["ETag"] == before


def test_a_file_of_five_thousand_users_is_previewed_and_imported_quickly(admin, send):
    text = "level,name,max_gpus\n" + "".join(f"user,user{n},2\n" for n in range(5_000))
    began = time.monotonic()
    found = send("POST", text, "quotas.csv/preview").json()
    assert (found["added"], len(found["changes"])) == (5_000, 200)
    assert send("PUT", text, If_Match=f'"{found["revision"]}"').json() == {
        "changed": 5_000,
        "contradictions": [],
    }
    # Ten times the usual time, for busy machines.
    assert time.monotonic() - began < 10


def test_sessions_are_reported_with_the_reason_of_their_end(hub, desk, admin):
    ada, bob = hub.client("ada"), hub.client("bob")
    ada.start_server(gpus=1)
    gpu = hub.leases()["ada"].gpu_uuids[0]
    bob.start_server(gpus=0)
    hub.admin.delete_server("", "ada")
    wait_for(lambda: "ada" not in hub.leases(), "the lease ends")
    page = admin("GET", "sessions?limit=2").json()
    running, ended = page["rows"]
    assert (running["user"], running["end_text"], running["ended_at"]) == ("bob", None, None)
    assert (ended["user"], ended["end_text"], ended["end_kind"]) == (
        "ada",
        "Stopped by you",
        "stopped",
    )
    assert [item["uuid"] for item in ended["gpus"]] == [gpu]
    assert 0 < ended["gpu_hours"] == ended["hours"]
    token = desk.token(ada)
    mine = desk.ask("GET", "sessions", token).json()["rows"]
    assert {row["user"] for row in mine} == {"ada"}
    assert mine[0]["end_text"] == "Stopped by admin"
    assert desk.ask("GET", "sessions?user=bob", token).status_code == 403
    found = admin("GET", f"sessions?gpu={gpu}&user=ada&from={ended['started_at']}").json()
    assert found["rows"][0]["id"] == ended["id"]
    assert admin("GET", "sessions?user=nobody").json() == {"rows": [], "total": 0}
    head, line, *_ = admin("GET", "sessions?user=ada&format=csv").text.splitlines()
    assert head.split(",")[:3] == ["user", "server", "image"]
    assert "Stopped by you" in line
    assert admin("GET", "sessions?gpu=nonsense").status_code == 400


def test_the_audit_trail_names_people_and_not_ids(hub, admin):
    ada = hub.client("ada")
    ada.start_server(gpus=1)
    lease = hub.leases()["ada"]
    assert admin("DELETE", f"leases/{lease.id}").status_code == 202
    row = admin("GET", "audit?what=lease.release&target=ada").json()["rows"][0]
    assert (row["target"], row["target_name"]) == (lease.id, "ada")


def test_the_audit_trail_shows_before_and_after(admin):
    put(admin, {"max_gpus": 2})
    put(admin, {"max_gpus": 3})
    page = admin("GET", "audit?what=quota&target=user/ada&limit=1").json()
    assert "rows" in page, page
    (row,) = page["rows"]
    assert (row["by"], row["before"], row["after"]) == ("admin", {"max_gpus": 2}, {"max_gpus": 3})
    assert page["total"] >= 2
    lines = admin("GET", "audit?what=quota&format=csv").text.splitlines()
    assert lines[0] == "at,by,what,target,before,after"
    assert "user/ada" in lines[1]


def test_usage_is_shown_by_user_and_as_a_table(hub, desk, admin):
    ada = hub.client("ada")
    ada.start_server(gpus=1)
    rows = admin("GET", "usage?by=user&bucket=day&name=ada").json()["rows"]
    assert rows
    assert rows[-1]["name"] == "ada"
    gpus = {row["name"] for row in admin("GET", "usage?by=gpu").json()["rows"]}
    assert gpus <= {item["uuid"] for item in admin("GET", "gpus").json()["gpus"]}
    text = admin("GET", "usage?format=csv").text
    assert text.startswith("user,from,gpu_hours,sessions\r\n")
    assert admin("GET", "usage?from=2026-02-01&to=2026-01-01").json()["rows"] == []
    assert admin("GET", "usage?from=1970-01-01&bucket=day").status_code == 422
    assert admin("GET", "usage?from=yesterday").status_code == 400


# Bad input.


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"max_gpus": 1', 400),
        (b'{"max_gpus": NaN}', 400),
        (b'{"max_gpus": Infinity}', 400),
        (b'{"max_gpus": -1}', 400),
        (b'{"max_gpus": "2"}', 400),
        (b'{"max_gpus": true}', 400),
        (b'{"max_gpus": 1, "max_gpus": 2}', 400),
        (b'{"gpus": 1}', 400),
        (b"[1]", 400),
        (b"", 415),
        (b'{"max_gpus": ' + b"9" * 5000 + b"}", 400),
        (b'{"gpu_hours": 1e999}', 400),
        (b"[" * 100_000, 400),
        (b'{"gpu_models": ["\xff"]}', 400),
        (b'{"gpu_models": ["\\ud800"]}', 400),
        (b'{"boost": {"max_gpus": 2}}', 400),
        (b'{"boost": {"until": "soon", "max_gpus": 2}}', 400),
        (b'{"group_max_gpus": 2}', 400),
        (b" " * 300_000, 413),
    ],
)
def test_an_invalid_body_is_rejected_with_a_sentence_and_changes_nothing(admin, body, status):
    put(admin, {"max_gpus": 2})
    headers = {"Content-Type": "application/json"} if body else {}
    answer = admin("PUT", "quotas/users/ada", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["message"].endswith(".")
    assert admin("GET", "quotas/users/ada").json()["document"] == {"max_gpus": 2}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("leases?limit=0", 400),
        ("leases?limit=501", 400),
        ("leases?limit=1e2", 400),
        ("leases?limit=%C2%B2", 400),
        ("leases?offset=-1", 400),
        ("leases?state=dead", 400),
        ("leases?color=red", 400),
        ("leases?limit=1&limit=2", 400),
        ("leases?user=%FF", 400),
        ("leases?user=%00", 400),
        ("quotas?sort=height", 400),
        ("quotas/users/%FF", 400),
        ("quotas/users/%00", 400),
        ("quotas/users/" + "a" * 256, 400),
        ("quotas/users/a%2Fb", 200),
        ("nothing", 404),
        ("leases/", 404),
    ],
)
def test_an_invalid_address_is_rejected(admin, path, status):
    answer = admin("GET", path)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.json()["message"].endswith(".")


def test_an_unsupported_method_is_rejected_with_the_supported_ones(admin):
    answer = admin("POST", "quotas/default")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "DELETE, GET, PUT"


def test_a_body_of_another_type_is_rejected(admin):
    answer = admin("PUT", "quotas/users/ada", data={"max_gpus": "2"})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["message"]


def test_a_large_body_in_chunks_is_rejected(admin):
    def pieces():
        for _ in range(40):
            yield b" " * 10_000

    headers = {"Content-Type": "application/json"}
    answer = admin("PUT", "quotas/users/ada", content=pieces(), headers=headers)
    assert answer.status_code == 413


# Browsers.


@pytest.fixture
def browser(hub, desk) -> HubClient:
    """Ada, signed in with a browser, with the desk's first page open."""
    client = HubClient(desk.url, "ada", PASSWORD).sign_in()
    page = client.http.get(PREFIX)
    assert page.status_code == 200
    assert "My GPUs" in page.text
    return client


def xsrf(browser):
    cookies = [cookie for cookie in browser.http.cookies.jar if cookie.path == PREFIX]
    return next(cookie.value for cookie in cookies if cookie.name == "_xsrf")


def test_a_page_looks_like_the_hubs_without_the_hub_and_links_to_it(browser, desk):
    page = browser.http.get(PREFIX)
    parts = re.findall(r'(?:href|src)="([^"]*/static/[^"]+)"', page.text)
    assert f"{PREFIX}static/hub/css/style.min.css" in parts
    for part in parts:
        assert httpx.get(f"{desk.direct}{part}").status_code == 200, part
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert f'href="{PREFIX}"' in browser.http.get("/hub/home").text
    assert browser.http.get(f"{PREFIX}audit").status_code == 403
    assert browser.http.get(f"{PREFIX}nonsense").status_code == 404


def test_a_change_by_cookie_needs_the_xsrf_token(browser):
    browser.start_server(gpus=1)
    (lease,) = browser.http.get(f"{API}leases/me").json()["leases"]
    address = f"{API}leases/{lease['id']}"
    for headers in ({}, {"X-XSRFToken": "nonsense"}):
        refused = browser.http.delete(address, headers=headers)
        assert refused.status_code == 403
        assert refused.json()["error"] == "xsrf"
    foreign = browser.http.delete(address, headers={"X-XSRFToken": browser._xsrf()})
    assert foreign.status_code == 403, "the Hub's own token is not the desk's"
    done = browser.http.delete(address, headers={"X-XSRFToken": xsrf(browser)})
    assert done.status_code == 202


def test_a_page_of_somebodys_server_cannot_read_the_api(browser):
    """A script in a notebook has the same origin, but its requests lack the XSRF token."""
    headers = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
    assert browser.http.get(f"{API}leases/me", headers=headers).status_code == 403
    headers["X-XSRFToken"] = xsrf(browser)
    assert browser.http.get(f"{API}leases/me", headers=headers).status_code == 200


def test_signing_out_ends_access_to_the_desk(browser):
    browser.http.get("/hub/logout")
    assert browser.http.get(f"{API}leases/me").status_code in (401, 403)
    page = browser.http.get(PREFIX)
    assert "/hub/login" in str(page.url)


def test_a_restart_of_the_desk_signs_nobody_out(browser, desk):
    desk.stop()
    desk.start()
    assert browser.http.get(f"{API}leases/me").status_code == 200


# Metrics and health.


def test_prometheus_reads_with_the_token_of_the_settings(desk):
    def status(token):
        return desk.ask("GET", "../../metrics", token).status_code

    assert status(METRICS_TOKEN) == 200
    assert status(METRICS_TOKEN + "x") == 401
    assert status(None) == 401
    assert desk.ask("GET", "gpus", METRICS_TOKEN).status_code == 401


# Parts that are missing.


def test_the_desk_waits_for_the_hub_to_make_the_database(new_hub, tmp_path):
    hub = new_hub()
    desk = DeskProcess(hub)
    (hub.state / "shared").mkdir()
    (hub.state / "shared" / "desk-token").write_text("0" * 64)
    desk.launch(agent_url="http://127.0.0.1:9")
    try:
        wait_for(lambda: desk.health() == 503, "the desk says that it waits")
        assert not (hub.state / "shared" / "gpudock.sqlite").exists()
        hub.start()
        wait_for(lambda: desk.health() == 200, "the desk is healthy")
    finally:
        desk.close()


def test_while_the_hub_is_silent_the_desk_answers_users_it_knows(new_hub):
    hub = new_hub().start()
    desk = DeskProcess(hub).start()
    try:
        ada = hub.client("ada")
        ada.start_server(gpus=1)
        known, unknown = desk.token(ada), desk.token(ada)
        (lease,) = desk.ask("GET", "leases/me", known).json()["leases"]
        hub.kill()
        assert desk.ask("GET", "leases/me", known).status_code == 200
        assert desk.ask("GET", "gpus", known).status_code == 200
        stranger = desk.ask("GET", "leases/me", unknown)
        assert stranger.status_code == 503
        assert "Hub does not answer" in stranger.json()["message"]
        assert desk.ask("DELETE", f"leases/{lease['id']}", known).status_code == 202
        hub.start()
        wait_for(lambda: not hub.leases(), "the hub ends what was released meanwhile", 60)
        assert desk.ask("GET", "leases/me", unknown).status_code == 200
    finally:
        desk.close()


def test_a_locked_database_is_reported_and_nothing_is_changed(hub, desk, admin):
    put(admin, {"max_gpus": 2})
    holder = sqlite3.connect(hub.state / "shared" / "gpudock.sqlite", isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        answer = put(admin, {"max_gpus": 3})
        assert answer.status_code == 503
        assert "locked" in answer.json()["message"]
        assert admin("GET", "leases").status_code == 200, "reading goes on"
    finally:
        holder.close()
    assert admin("GET", "quotas/users/ada").json()["document"] == {"max_gpus": 2}
    assert put(admin, {"max_gpus": 3}).status_code == 200


def test_a_silent_connection_delays_nobody(desk, admin):
    with socket.create_connection(("127.0.0.1", desk.hub.desk_port)) as silent:
        silent.sendall(
            b"PUT " + API.encode() + b"quotas/default HTTP/1.1\r\nContent-Length: 99\r\n"
        )
        assert admin("GET", "gpus").status_code == 200
