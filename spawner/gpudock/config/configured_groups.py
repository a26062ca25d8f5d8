"""The groups, members and managers that the Hub's configuration has, and managers made at the desk.

The desk cannot change those of the configuration: the next start of the hub would bring them back.
The hub writes them to a file that it shares with the desk. The Hub keeps managers made at the desk
in a property of their group.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from gpudock.config.shared_volume import CONFIGURED_GROUPS, leave_note, secret_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MANAGERS = "gpudock_managers"
"""The property of a group at the Hub that has the names of its managers."""


@dataclass(frozen=True, slots=True)
class ConfiguredGroups:
    """What the configuration says about groups.

    Attributes:
        from_sign_in: whether the sign-in service decides who is in which group.
        members: group to the names of its members; a group without members is there, too.
        managers: group to the names of its managers.
        manager_groups: group to the groups whose members are its managers.
    """

    from_sign_in: bool = False
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    managers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    manager_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def publish(groups: ConfiguredGroups, shared: Path) -> None:
    """Write the groups of the configuration to the folder that hub and desk share."""
    leave_note(shared / CONFIGURED_GROUPS, json.dumps(asdict(groups), ensure_ascii=False))


def read(shared: Path) -> ConfiguredGroups:
    """Return what the hub has written; nothing if it has not written anything yet."""
    text = secret_in(shared / CONFIGURED_GROUPS)
    if not text:
        return ConfiguredGroups()
    found = json.loads(text)
    return ConfiguredGroups(
        found["from_sign_in"],
        *(
            {group: tuple(names) for group, names in found[kind].items()}
            for kind in ("members", "managers", "manager_groups")
        ),
    )


def managers_among(members: Iterable[str], properties: Mapping[str, object]) -> tuple[str, ...]:
    """Return the members of a group who were made its managers at the desk.

    Args:
        members: the names of those in the group. Others have lost the right with their place in it.
        properties: the group's properties at the Hub.
    """
    stored = properties.get(MANAGERS)
    names = stored if isinstance(stored, list) else []
    return tuple(name for name in members if name in names)
