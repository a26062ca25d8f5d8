"""Groups, members and managers are set at the desk, and kept by the Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.desk_process import DeskProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from harness.hub_process import HubProcess

CONFIGURATION = """
c.JupyterHub.load_groups = {"fixed": {"users": ["grace", "ada"]}}
c.JupyterHub.load_roles.append(
    {
        "name": "lead-of-fixed",
        "scopes": ["custom:gpudock:manage!group=fixed"],
        "users": ["grace"],
    },
)
"""


@pytest.fixture(scope="module")
def lab(new_module_hub: Callable[..., HubProcess]) -> Iterator[tuple[HubProcess, DeskProcess]]:
    hub = new_module_hub(extra=CONFIGURATION).start()
    desk = DeskProcess(hub).start()
    yield hub, desk
    desk.close()


@pytest.fixture
def admin(lab) -> Iterator[Callable[..., httpx.Response]]:
    hub, desk = lab
    token = desk.token(hub.admin)

    def ask(method: str, path: str, **request) -> httpx.Response:
        return desk.ask(method, path, token, **request)

    yield ask
    for group in ask("GET", "groups").json()["groups"]:
        if not group["fixed"]:
            assert ask("DELETE", f"groups/{group['name']}").status_code == 204


def shown(ask, name: str) -> dict:
    return next(group for group in ask("GET", "groups").json()["groups"] if group["name"] == name)


def names(people: list[dict]) -> list[str]:
    return [person["name"] for person in people]


def test_a_manager_is_made_on_the_page_and_sets_quotas_of_members_only(lab, admin):
    hub, desk = lab
    ada, bob, cleo = (hub.client(name) for name in ("ada", "bob", "cleo"))
    assert admin("PUT", "groups/vision").status_code == 200
    for user in ("ada", "bob"):
        assert admin("PUT", f"groups/vision/members/{user}").status_code == 200
    admin("PUT", "quotas/groups/vision", json={"max_gpus": 2})
    token = desk.token(ada)
    assert desk.ask("PUT", "quotas/users/bob", token, json={"max_gpus": 1}).status_code == 403
    group = admin("PUT", "groups/vision/managers/ada").json()
    assert names(group["managers"]) == ["ada"]
    late = desk.token(ada)
    assert desk.ask("PUT", "quotas/users/bob", late, json={"max_gpus": 2}).status_code == 200
    too_much = desk.ask("PUT", "quotas/users/bob", late, json={"max_gpus": 3})
    assert too_much.status_code == 403
    assert desk.ask("PUT", "quotas/users/cleo", late, json={"max_gpus": 1}).status_code == 403
    assert desk.ask("GET", "sessions?user=bob", late).status_code == 200
    assert names(desk.ask("GET", "groups", late).json()["groups"]) == ["vision"]
    # A manager may not make members, or other managers.
    for path in ("groups/vision/members/cleo", "groups/vision/managers/bob", "groups/new"):
        assert desk.ask("PUT", path, late).status_code == 403
    # A token that was made for less than everything stays at that.
    narrow = desk.token(ada, "access:services!service=gpudock")
    assert desk.ask("PUT", "quotas/users/bob", narrow, json={"max_gpus": 1}).status_code == 403
    assert admin("DELETE", "groups/vision/managers/ada").status_code == 200
    assert desk.ask("PUT", "quotas/users/bob", late, json={"max_gpus": 1}).status_code == 403
    assert (bob.name, cleo.name) == ("bob", "cleo")


def test_what_is_made_at_the_hub_is_in_the_lists_at_once(lab, admin):
    hub, _ = lab
    for number in range(3):
        admin("GET", "quotas?level=user")
        hub.client(f"new{number}")
        assert hub.admin.api("POST", f"/groups/fresh{number}", {}).status_code == 201
        found = admin("GET", f"quotas?level=group&search=fresh{number}").json()
        assert names(found["rows"]) == [f"fresh{number}"]
        assert names(admin("GET", f"quotas?search=new{number}").json()["rows"]) == [f"new{number}"]
        assert shown(admin, f"fresh{number}")["members"] == []


def test_what_the_configuration_has_is_shown_and_cannot_be_changed_here(lab, admin):
    hub, _ = lab
    group = shown(admin, "fixed")
    assert group["fixed"]
    assert group["members"] == [
        {"name": "ada", "fixed": True},
        {"name": "grace", "fixed": True},
    ]
    assert group["managers"] == [{"name": "grace", "fixed": True}]
    for path in ("groups/fixed", "groups/fixed/members/ada", "groups/fixed/managers/grace"):
        refused = admin("DELETE", path)
        assert refused.status_code == 409
        assert "comes from the Hub's configuration" in refused.json()["message"]
    hub.client("bob")
    assert admin("PUT", "groups/fixed/members/bob").status_code == 200
    assert admin("PUT", "groups/fixed/managers/bob").status_code == 200
    assert names(shown(admin, "fixed")["managers"]) == ["bob", "grace"]
    assert admin("DELETE", "groups/fixed/members/bob").status_code == 200
    assert names(shown(admin, "fixed")["managers"]) == ["grace"]


def test_the_right_of_a_former_member_is_not_a_namesake_s(lab, admin):
    hub, _ = lab
    hub.client("dora")
    for path in ("groups/vision", "groups/vision/members/dora", "groups/vision/managers/dora"):
        assert admin("PUT", path).status_code == 200
    assert hub.admin.api("DELETE", "/users/dora").status_code == 204
    hub.client("dora")
    assert names(shown(admin, "vision")["managers"]) == []
    assert admin("PUT", "groups/vision/members/dora").status_code == 200
    assert names(shown(admin, "vision")["managers"]) == []


def test_changes_of_groups_are_audited_and_those_that_change_nothing_are_not(lab, admin):
    hub, _ = lab
    hub.client("ada")
    admin("PUT", "groups/audited")
    before = admin("GET", "audit?what=group").json()["total"]
    for _ in range(2):
        admin("PUT", "groups/audited")
        admin("PUT", "groups/audited/members/ada")
        admin("PUT", "groups/audited/managers/ada")
    rows = admin("GET", "audit?what=group&target=audited").json()["rows"]
    assert [(row["what"], row["after"]) for row in rows] == [
        ("group.manager", {"manager": "ada"}),
        ("group.member", {"member": "ada"}),
        ("group.create", {"members": []}),
    ]
    assert rows[0]["target_name"] == "group audited"
    assert admin("GET", "audit?what=group").json()["total"] == before + 2


def test_who_and_what_there_is_not_is_said(lab, admin):
    assert admin("PUT", "groups/nowhere/members/admin").status_code == 404
    admin("PUT", "groups/some")
    nobody = admin("PUT", "groups/some/members/nobody")
    assert (nobody.status_code, nobody.json()["message"]) == (
        404,
        'The Hub knows no user "nobody".',
    )
    stranger = admin("PUT", "groups/some/managers/admin")
    assert stranger.status_code == 409
    assert "is not a member" in stranger.json()["message"]
