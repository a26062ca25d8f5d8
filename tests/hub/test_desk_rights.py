"""Who may do what: every endpoint of the API, called by every kind of principal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gpudock.desk.api import ENDPOINTS
from harness.desk_people import LAB, MANAGE, PRINCIPALS, READ, ROLES, People, gather
from harness.desk_process import DeskProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

GPU = "GPU-00000000-0000-4000-8000-000000000000"
NO_GPU = "GPU-0badbad0-0000-4000-8000-000000000000"
CHANGE = {"changes": [{"level": "user", "name": "ada", "document": {"max_gpus": 2}}]}
CSV = {"content": "level,name,max_gpus\nuser,ada,2\n", "headers": {"Content-Type": "text/csv"}}

# For each endpoint a request about ada ("user", in the group that lea leads) or the lab, and the
# status for nobody, user, other, lead, reader, admin and a server of the user. Requests that would
# change the lab for later cases fail with 404 or 409 after the check of the rights.
CASES = {
    "listGpus": (("GET", "gpus", {}), (401, 200, 200, 200, 200, 200, 403)),
    "changeGpu": (
        ("PATCH", f"gpus/{NO_GPU}", {"json": {"state": "draining"}}),
        (401, 403, 403, 403, 403, 404, 403),
    ),
    "returnAllGpus": (
        ("PATCH", "gpus", {"json": {"state": "active"}}),
        (401, 403, 403, 403, 403, 200, 403),
    ),
    "forgetGpu": (("DELETE", f"gpus/{NO_GPU}", {}), (401, 403, 403, 403, 403, 404, 403)),
    "listSessions": (("GET", "leases?user=ada", {}), (401, 200, 403, 200, 200, 200, 403)),
    "listOwnSessions": (("GET", "leases/me", {}), (401, 200, 200, 200, 200, 200, 200)),
    "extendSession": (
        ("POST", "leases/{lease}/extend", {}),
        (401, 409, 404, 403, 403, 409, 409),
    ),
    "releaseSession": (("DELETE", "leases/none", {}), (401, 404, 404, 404, 404, 404, 404)),
    "listQueue": (("GET", "queue", {}), (401, 200, 200, 200, 200, 200, 200)),
    "cancelRequest": (("DELETE", "queue/none", {}), (401, 404, 404, 404, 404, 404, 403)),
    "getEffectiveQuota": (
        ("GET", "quotas/users/ada/effective", {}),
        (401, 200, 403, 200, 200, 200, 200),
    ),
    "getDefaultQuota": (("GET", "quotas/default", {}), (401, 403, 403, 403, 200, 200, 403)),
    "setDefaultQuota": (
        ("PUT", "quotas/default", {"json": {"max_gpus": 1}}),
        (401, 403, 403, 403, 403, 200, 403),
    ),
    "removeDefaultQuota": (
        ("DELETE", "quotas/default", {}),
        (401, 403, 403, 403, 403, 204, 403),
    ),
    "getGroupQuota": (("GET", f"quotas/groups/{LAB}", {}), (401, 403, 403, 403, 200, 200, 403)),
    "setGroupQuota": (
        ("PUT", f"quotas/groups/{LAB}", {"json": {"group_max_gpus": 8}}),
        (401, 403, 403, 403, 403, 200, 403),
    ),
    "removeGroupQuota": (
        ("DELETE", f"quotas/groups/{LAB}", {}),
        (401, 403, 403, 403, 403, 204, 403),
    ),
    "getUserQuota": (("GET", "quotas/users/ada", {}), (401, 200, 403, 200, 200, 200, 403)),
    "setUserQuota": (
        ("PUT", "quotas/users/ada", {"json": {"max_gpus": 2}}),
        (401, 403, 403, 200, 403, 200, 403),
    ),
    "removeUserQuota": (
        ("DELETE", "quotas/users/lea", {}),
        (401, 403, 403, 204, 403, 204, 403),
    ),
    "changeQuotas": (("PATCH", "quotas", {"json": CHANGE}), (401, 403, 403, 200, 403, 200, 403)),
    "previewQuotas": (
        ("POST", "quotas/preview", {"json": CHANGE}),
        (401, 403, 403, 200, 403, 200, 403),
    ),
    "listQuotas": (("GET", "quotas", {}), (401, 200, 200, 200, 200, 200, 403)),
    "exportQuotas": (("GET", "quotas.csv", {}), (401, 403, 403, 403, 200, 200, 403)),
    "importQuotas": (("PUT", "quotas.csv", CSV), (401, 403, 403, 403, 403, 200, 403)),
    "previewTable": (("POST", "quotas.csv/preview", CSV), (401, 403, 403, 403, 403, 200, 403)),
    "reportSessions": (("GET", "sessions?user=ada", {}), (401, 200, 403, 200, 200, 200, 403)),
    "listGroups": (("GET", "groups", {}), (401, 403, 403, 200, 200, 200, 403)),
    "createGroup": (("PUT", f"groups/{LAB}", {}), (401, 403, 403, 403, 403, 200, 403)),
    "deleteGroup": (("DELETE", "groups/none", {}), (401, 403, 403, 403, 403, 204, 403)),
    "addMember": (
        ("PUT", "groups/none/members/ada", {}),
        (401, 403, 403, 403, 403, 404, 403),
    ),
    "removeMember": (
        ("DELETE", "groups/none/members/ada", {}),
        (401, 403, 403, 403, 403, 404, 403),
    ),
    "addManager": (
        ("PUT", "groups/none/managers/ada", {}),
        (401, 403, 403, 403, 403, 404, 403),
    ),
    "removeManager": (
        ("DELETE", "groups/none/managers/ada", {}),
        (401, 403, 403, 403, 403, 404, 403),
    ),
    "getUsage": (("GET", "usage?name=ada", {}), (401, 200, 403, 200, 200, 200, 403)),
    "listChanges": (("GET", "audit", {}), (401, 403, 403, 403, 200, 200, 403)),
}


@pytest.fixture(scope="module")
def people(new_module_hub) -> Iterator[People]:
    hub = new_module_hub(extra=ROLES).start()
    desk = DeskProcess(hub).start()
    yield gather(desk)
    desk.close()


def test_every_endpoint_has_a_case():
    assert CASES.keys() == {endpoint.name for endpoint in ENDPOINTS}
    assert {name: len(statuses) for name, (_, statuses) in CASES.items()} == dict.fromkeys(
        CASES, len(PRINCIPALS)
    )


@pytest.mark.parametrize("principal", PRINCIPALS)
@pytest.mark.parametrize("name", CASES)
def test_an_endpoint_is_for_its_audience_only(people, name, principal):
    (method, path, request), statuses = CASES[name]
    answer = people.ask(principal, method, path.format(lease=people.lease), **request)
    expected = statuses[PRINCIPALS.index(principal)]
    assert answer.status_code == expected, answer.text
    if expected >= 400:
        said = answer.json()
        assert said.keys() == {"error", "message"}
        assert said["message"].endswith(".")


def test_users_see_their_own_data_and_leads_the_groups(people):
    def users(principal, path, part):
        return sorted({row["user"] for row in people.ask(principal, "GET", path).json()[part]})

    assert users("user", "leases", "leases") == ["ada"]
    assert users("other", "leases", "leases") == ["bob"]
    assert users("lead", "leases", "leases") == ["ada"]
    assert users("reader", "leases", "leases") == ["ada", "bob"]
    assert users("server", "leases/me", "leases") == ["ada"]
    assert people.ask("server", "GET", "quotas/users/bob/effective").status_code == 403
    of_server = people.ask("server", "GET", "quotas/users/ada/effective").json()
    assert of_server == people.ask("user", "GET", "quotas/users/ada/effective").json()
    assert of_server["groups"] == [LAB]
    assert users("lead", "queue", "queue") == ["ada"]
    assert users("other", "queue", "queue") == []
    assert people.ask("other", "GET", "queue").json()["length"] == 1


def test_who_has_a_gpu_is_told_to_those_who_may_know(people):
    def holders(principal):
        gpus = people.ask(principal, "GET", "gpus").json()["gpus"]
        return sorted(holder["user"] or "?" for gpu in gpus for holder in gpu["leases"])

    assert holders("user") == ["?", "ada"]
    assert holders("lead") == ["?", "ada"]
    assert holders("admin") == holders("reader") == ["ada", "bob"]


def test_a_lead_sets_quotas_of_members_and_of_nobody_else(people):
    def put(path, document):
        return people.ask("lead", "PUT", f"quotas/{path}", json=document).status_code

    assert put("users/ada", {"max_gpus": 2}) == 200
    assert put("users/bob", {"max_gpus": 5}) == 403
    assert put("users/nobody-of-that-name", {"max_gpus": 5}) == 403
    assert put(f"groups/{LAB}", {"max_gpus": 5}) == 403
    assert put("default", {"max_gpus": 5}) == 403
    mixed = [
        {"level": "user", "name": name, "document": {"max_gpus": 7}} for name in ("ada", "bob")
    ]
    answer = people.ask("lead", "PATCH", "quotas", json={"changes": mixed})
    assert answer.status_code == 403
    stored = people.ask("admin", "GET", "quotas/users/ada").json()
    assert stored["document"] == {"max_gpus": 2}, "nothing of a change that is refused is made"
    names = [row["name"] for row in people.ask("lead", "GET", "quotas").json()["rows"]]
    assert names == ["ada", "lea"]


@pytest.fixture
def bounded(people) -> Iterator[People]:
    """The lead's group has two GPUs for each member; lea herself has one, by an administrator."""
    put = {
        f"quotas/groups/{LAB}": {"max_gpus": 2, "weight": 2},
        "quotas/users/lea": {"max_gpus": 1},
    }
    for path, document in put.items():
        assert people.ask("admin", "PUT", path, json=document).status_code == 200
    yield people
    assert people.ask("admin", "PUT", "quotas/users/ada", json={"max_gpus": 2}).status_code == 200
    for path in put:
        assert people.ask("admin", "DELETE", path).status_code == 204


FAR = "2999-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("ada", {"max_gpus": 3}),
        ("ada", {"max_gpus": None}),
        ("ada", {"weight": 9}),
        ("ada", {"max_session_hours": 1000}),
        ("ada", {"boost": {"until": FAR, "max_gpus": 8}}),
        ("lea", {"max_gpus": 2}),
        ("lea", {"boost": {"until": FAR, "max_gpus": 2}}),
        ("lea", None),
    ],
)
def test_a_lead_gives_members_no_more_than_the_group_has_whichever_way(bounded, name, document):
    path = f"quotas/users/{name}"
    before = bounded.ask("admin", "GET", path).json()
    changes = {"changes": [{"level": "user", "name": name, "document": document}]}
    answers = [
        bounded.ask("lead", "PATCH", "quotas", json=changes),
        bounded.ask("lead", "POST", "quotas/preview", json=changes),
        bounded.ask("lead", "DELETE", path)
        if document is None
        else bounded.ask("lead", "PUT", path, json=document),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
        assert "an administrator" in answer.json()["message"].lower()
    assert bounded.ask("admin", "GET", path).json() == before
    table = f"level,name,max_gpus\nuser,{name},\n"
    headers = {"Content-Type": "text/csv"}
    taken = bounded.ask("lead", "PUT", "quotas.csv", content=table, headers=headers)
    assert taken.status_code == 403


def test_a_lead_gives_members_what_the_group_has(bounded):
    given = {"max_gpus": 2, "weight": 2, "idle_minutes": 30}
    answer = bounded.ask("lead", "PUT", "quotas/users/ada", json=given)
    assert answer.status_code == 200, answer.text
    said = bounded.ask("lead", "PUT", "quotas/users/ada", json={**given, "max_gpus": 3}).json()
    assert said["message"] == (
        'You may set max_gpus of "ada" to 2 at most: that is what the group vision gives. Ask an'
        " administrator for more."
    )
    # A field that an administrator set stays when the lead changes another.
    more = {"max_gpus": 5, "weight": 2}
    assert bounded.ask("admin", "PUT", "quotas/users/ada", json=more).status_code == 200
    kept = {**more, "weight": 1}
    assert bounded.ask("lead", "PUT", "quotas/users/ada", json=kept).status_code == 200
    assert bounded.ask("lead", "PUT", "quotas/users/ada", json=more).status_code == 200
    # And what an administrator limited, the lead does not lift.
    less = {"max_gpus": 1}
    assert bounded.ask("admin", "PUT", "quotas/users/ada", json=less).status_code == 200
    refused = bounded.ask("lead", "PUT", "quotas/users/ada", json={"max_gpus": 2})
    assert refused.status_code == 403
    assert 'An administrator has limited max_gpus of "ada"' in refused.json()["message"]
    assert bounded.ask("lead", "DELETE", "quotas/users/ada").status_code == 403
    lower = {"max_gpus": 0}
    assert bounded.ask("lead", "PUT", "quotas/users/lea", json=lower).status_code == 200


def test_a_lead_sees_what_the_group_used(people):
    def status(query):
        return people.ask("lead", "GET", f"usage?{query}").status_code

    rows = people.ask("lead", "GET", "usage?by=user").json()["rows"]
    assert {row["name"] for row in rows} == {"ada"}
    assert [status(f"by=group&name={LAB}"), status("by=group")] == [200, 200]
    assert [status("by=group&name=audio"), status("by=gpu"), status("name=bob")] == [403] * 3


def test_a_user_who_leaves_a_group_leaves_the_scope_of_its_lead_at_once(people):
    admin = people.desk.hub.admin
    body = {"users": ["ada"]}
    assert admin.api("DELETE", f"/groups/{LAB}/users", body).status_code == 200
    try:
        answer = people.ask("lead", "PUT", "quotas/users/ada", json={"max_gpus": 9})
        assert answer.status_code == 403
    finally:
        assert admin.api("POST", f"/groups/{LAB}/users", body).status_code == 200


def test_a_token_has_no_more_than_its_scopes(people):
    desk, admin = people.desk, people.desk.hub.admin
    reader = desk.token(admin, READ)
    assert desk.ask("GET", "audit", reader).status_code == 200
    change = {"json": {"max_gpus": 3}}
    assert desk.ask("PUT", "quotas/default", reader, **change).status_code == 403
    access = desk.token(admin, "access:services!service=gpudock")
    assert desk.ask("GET", "leases/me", access).status_code == 200
    assert desk.ask("GET", "audit", access).status_code == 403
    useless = desk.token(admin, "read:users:name!user")
    assert desk.ask("GET", "leases/me", useless).status_code == 403


def test_users_cannot_give_themselves_a_scope(people):
    ada = people.clients["ada"]
    answer = ada.api("POST", "/users/ada/tokens", {"scopes": [MANAGE]})
    assert answer.status_code == 400


def test_a_new_administrator_manages_the_lab(people):
    admin = people.desk.hub.admin
    carl = people.desk.hub.client("carl")
    token = people.desk.token(carl)
    assert people.desk.ask("GET", "audit", token).status_code == 403
    assert admin.api("PATCH", "/users/carl", {"admin": True}).status_code == 200
    fresh = people.desk.token(carl)
    assert people.desk.ask("GET", "audit", fresh).status_code == 200


def test_a_token_that_the_hub_does_not_know_is_rejected(people):
    answer = people.desk.ask("GET", "gpus", "0123456789abcdef")
    assert answer.status_code == 401
    assert "does not know this token" in answer.json()["message"]
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_get_changes_nothing(people):
    before = people.ask("admin", "GET", "audit").json()["total"]
    for name, ((method, path, request), _) in CASES.items():
        if method != "GET" and path not in ("quotas", f"quotas/groups/{LAB}"):
            asked = {key: value for key, value in request.items() if key == "headers"}
            status = people.ask(
                "admin", "GET", path.format(lease=people.lease), **asked
            ).status_code
            assert status in (200, 404, 405), name
    assert people.ask("admin", "GET", "audit").json()["total"] == before


@pytest.mark.parametrize(
    ("principal", "status"),
    [("nobody", 401), ("user", 403), ("lead", 403), ("server", 403), ("reader", 200)],
)
def test_metrics_are_for_those_who_may_read_everything(people, principal, status):
    answer = people.desk.ask("GET", "../../metrics", people.tokens[principal])
    assert answer.status_code == status
    assert ("gpudock_gpus" in answer.text) == (status == 200)
    assert "ada" not in answer.text
