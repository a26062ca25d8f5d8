"""What the Hub's configuration says about groups reaches the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traitlets.config import Config

from gpudock.config.configured_groups import ConfiguredGroups, publish, read
from gpudock.hub.groups import configured_groups

if TYPE_CHECKING:
    from pathlib import Path

LEAD = {"name": "lead", "scopes": ["custom:gpudock:manage!group=vision"], "users": ["grace"]}
BOARD = {"name": "board", "scopes": ["custom:gpudock:manage!group=vision"], "groups": ["staff"]}
OTHER = {"name": "other", "scopes": ["custom:gpudock:manage", "list:users"], "users": ["eve"]}


def test_nothing_is_configured_by_default(tmp_path: Path) -> None:
    assert configured_groups(Config()) == ConfiguredGroups()
    assert read(tmp_path) == ConfiguredGroups()


def test_members_and_managers_are_read_in_every_form(tmp_path: Path) -> None:
    config = Config()
    config.JupyterHub.load_groups = {
        "vision": {"users": ["grace", "ada"], "properties": {"x": 1}},
        "old": ["bob"],
        "empty": {},
    }
    config.JupyterHub.load_roles = [LEAD, OTHER, BOARD]
    config.Authenticator.manage_groups = True
    found = configured_groups(config)
    assert found == ConfiguredGroups(
        from_sign_in=True,
        members={"vision": ("ada", "grace"), "old": ("bob",), "empty": ()},
        managers={"vision": ("grace",)},
        manager_groups={"vision": ("staff",)},
    )
    publish(found, tmp_path)
    assert read(tmp_path) == found


def test_a_file_may_only_add_to_what_there_is() -> None:
    config = Config()
    config.JupyterHub.load_groups.update({"vision": ["ada"]})
    config.JupyterHub.load_roles.append(LEAD)
    found = configured_groups(config)
    assert found.members == {"vision": ("ada",)}
    assert found.managers == {"vision": ("grace",)}
