"""The desk's scopes in the Hub, and who has them.

``custom:gpudock:read`` allows to see the whole lab, ``custom:gpudock:manage`` to change it. With
the filter ``!group=NAME`` they are for a group's lead, who sees the members' sessions and usage and
sets their quotas. A user's own sessions need neither.
"""

from __future__ import annotations

from typing import Any

from jupyterhub import roles

from gpudock.config.shared_volume import ACCESS_SCOPE as ACCESS
from gpudock.config.shared_volume import MANAGE_SCOPE as MANAGE
from gpudock.config.shared_volume import READ_SCOPE as READ

CUSTOM_SCOPES: dict[str, dict[str, Any]] = {
    MANAGE: {
        "description": "Change quotas, GPUs, and other people's sessions",
        "subscopes": [READ],
    },
    READ: {"description": "See all GPUs, sessions, quotas, and usage"},
}

SERVER_TOKEN_SCOPES = ["users:activity!user", "access:servers!server", ACCESS]
"""Scopes of the token in a user's container: JupyterHub's own, and access to the desk."""

DESK_SCOPES = [
    "list:users",
    "read:users:name",
    "read:users:groups",
    "admin:groups",
    "delete:servers",
]
"""Scopes of the desk itself: list users, manage groups for administrators, and stop servers."""


def extend_admin_role() -> None:
    """Give the desk's scopes to all administrators of the Hub, present and future.

    JupyterHub's role ``admin`` cannot be configured, and a separate role would have to be assigned
    to each new administrator by hand. So the definition of the role is extended.
    """
    define = roles.get_default_roles

    def with_ours() -> list[dict[str, Any]]:
        defined: list[dict[str, Any]] = define()
        for role in defined:
            if role["name"] == "admin":
                role["scopes"] = [*role["scopes"], MANAGE, READ]
        return defined

    roles.get_default_roles = with_ours
