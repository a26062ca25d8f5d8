"""Who the Hub says it is, and whose data their scopes cover."""

import pytest

from gpudock.config.shared_volume import ACCESS_SCOPE, MANAGE_SCOPE, READ_SCOPE
from gpudock.desk.identity import Scope, identify, may_act_as_manager, with_groups

NOBODY, EVERYBODY = Scope(), Scope(everyone=True)


def principal(*scopes, by_cookie=False, **model):
    return identify(
        {"name": "ada", "kind": "user", "groups": [], "scopes": list(scopes), **model},
        by_cookie=by_cookie,
    )


@pytest.mark.parametrize(
    ("scopes", "reads", "manages"),
    [
        ([ACCESS_SCOPE], NOBODY, NOBODY),
        (["access:services"], NOBODY, NOBODY),
        ([READ_SCOPE], EVERYBODY, NOBODY),
        ([MANAGE_SCOPE, READ_SCOPE], EVERYBODY, EVERYBODY),
        ([f"{READ_SCOPE}!group=a=b"], Scope(groups=frozenset({"a=b"})), NOBODY),
        ([f"{READ_SCOPE}!user=bob"], Scope(users=frozenset({"bob"})), NOBODY),
        (
            [ACCESS_SCOPE, f"{MANAGE_SCOPE}!group=x", f"{MANAGE_SCOPE}!group=y"],
            NOBODY,
            Scope(groups=frozenset({"x", "y"})),
        ),
        ([ACCESS_SCOPE, f"{MANAGE_SCOPE}!service=x"], NOBODY, NOBODY),
        ([ACCESS_SCOPE, f"{MANAGE_SCOPE}:more"], NOBODY, NOBODY),
    ],
)
def test_a_scope_covers_what_its_filter_names(scopes, reads, manages):
    found = principal(*scopes)
    assert (found.reads, found.manages) == (reads, manages)


@pytest.mark.parametrize(
    "scopes",
    [[], ["read:users!user=ada"], ["access:services!service=other"], ["admin:users"]],
)
def test_without_one_of_the_desks_scopes_there_is_no_access(scopes):
    assert principal(*scopes) is None


def test_an_administrators_browser_may_do_everything_and_a_token_what_its_scopes_allow():
    assert principal(ACCESS_SCOPE, admin=True, by_cookie=True).manages == EVERYBODY
    assert principal(ACCESS_SCOPE, admin=True, by_cookie=False).manages == NOBODY


def test_a_servers_token_is_recognized_by_its_missing_scopes():
    server = ("access:servers!server=ada/", "users:activity!user=ada", ACCESS_SCOPE)
    assert principal(*server).is_server
    assert principal("access:servers!server=ada/lab", ACCESS_SCOPE).is_server
    assert not principal(*server, "access:servers!user=ada").is_server
    assert not principal(*server, "access:servers").is_server
    assert not principal(ACCESS_SCOPE).is_server
    assert principal(*server, "access:servers!user=bob").is_server


def test_a_service_is_not_a_user_whatever_its_name():
    found = principal(READ_SCOPE, kind="service", name="ada")
    assert found.user is None
    assert found.actor == "service ada"
    assert not found.is_self("ada")
    assert found.groups == ()


def test_a_scope_covers_members_users_and_everybody():
    scope = Scope(groups=frozenset({"x"}), users=frozenset({"bob"}))
    assert scope.covers("ada", ["x", "y"])
    assert scope.covers("bob", [])
    assert not scope.covers("cleo", ["y"])
    assert EVERYBODY.covers("anybody", [])
    assert EVERYBODY
    assert not NOBODY


@pytest.mark.parametrize(
    ("scopes", "options", "may"),
    [
        ([ACCESS_SCOPE], {"by_cookie": True}, True),
        ([ACCESS_SCOPE, "tokens!user=ada"], {}, True),
        ([ACCESS_SCOPE], {}, False),
        ([ACCESS_SCOPE, "tokens!user=bob"], {}, False),
        ([ACCESS_SCOPE, "access:servers!server=ada/", "tokens!user=ada"], {}, False),
        ([READ_SCOPE, "tokens!user=ada"], {"kind": "service"}, False),
        ([ACCESS_SCOPE, "tokens!user=ada"], {"groups": []}, False),
    ],
)
def test_a_manager_s_right_needs_all_rights_of_the_user(scopes, options, may):
    options = {"groups": ["vision"], **options}
    by_cookie = options.pop("by_cookie", False)
    model = {"name": "ada", "kind": "user", "scopes": scopes, **options}
    found = identify(model, by_cookie=by_cookie)
    assert may_act_as_manager(found, model) is may
    if may:
        managed = with_groups(found, frozenset({"vision"}))
        assert managed.manages.covers("bob", ["vision"])
        assert managed.reads.covers("bob", ["vision"])
        assert not managed.manages.everyone
