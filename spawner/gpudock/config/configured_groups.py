"""The groups, members and managers that the Hub's configuration has.

The desk cannot change them: the next start of the hub would bring them back. The hub writes them to
a file that it shares with the desk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from traitlets.config.loader import LazyConfigValue

from gpudock.config.shared_volume import CONFIGURED_GROUPS, MANAGE_SCOPE, leave_note, secret_in

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FILTER = f"{MANAGE_SCOPE}!group="


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


def configured_groups(config: Any) -> ConfiguredGroups:
    """Return what a configuration of JupyterHub says about groups.

    Args:
        config: the traitlets configuration, after all files are loaded.
    """
    groups = _value(config.JupyterHub, "load_groups", {})
    roles = _value(config.JupyterHub, "load_roles", [])
    managers: dict[str, tuple[str, ...]] = {}
    manager_groups: dict[str, tuple[str, ...]] = {}
    for role in roles:
        for scope in role.get("scopes", ()):
            if scope.startswith(_FILTER):
                group = scope.removeprefix(_FILTER)
                managers[group] = _names(managers.get(group, ()), role.get("users", ()))
                manager_groups[group] = _names(
                    manager_groups.get(group, ()), role.get("groups", ())
                )
    return ConfiguredGroups(
        from_sign_in=config.Authenticator.get("manage_groups", False) is True,
        members={
            str(name): _names((), found.get("users", ()) if isinstance(found, Mapping) else found)
            for name, found in dict(groups).items()
        },
        managers=managers,
        manager_groups=manager_groups,
    )


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


def _value(section: Any, name: str, default: Any) -> Any:
    """Return an option; one that files only add to is a list of additions until then."""
    found = section.get(name, default)
    return found.get_value(default) if isinstance(found, LazyConfigValue) else found


def _names(former: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*former, *map(str, names)}))
