"""Finds what the Hub's configuration says about groups, for the desk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from traitlets.config.loader import LazyConfigValue

from gpudock.config.configured_groups import ConfiguredGroups
from gpudock.config.shared_volume import MANAGE_SCOPE

if TYPE_CHECKING:
    from collections.abc import Iterable

_FILTER = f"{MANAGE_SCOPE}!group="


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


def _value(section: Any, name: str, default: Any) -> Any:
    """Return an option; one that files only add to is a list of additions until then."""
    found = section.get(name, default)
    return found.get_value(default) if isinstance(found, LazyConfigValue) else found


def _names(former: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*former, *map(str, names)}))
