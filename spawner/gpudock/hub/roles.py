"""The desk's scopes at the Hub: what they are called, and who has them.

``custom:gpudock:read`` is to see everything of the lab, ``custom:gpudock:manage`` to change it.
With the filter ``!group=NAME`` they are for a group's lead: to see what the group's members have
and use, and to set those members' quotas. What is one's own needs neither.
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
    READ: {"description": "See all GPUs, sessions, quotas, and their use"},
}

SERVER_TOKEN_SCOPES = ["users:activity!user", "access:servers!server", ACCESS]
"""What the token in a user's container may do: what JupyterHub lets it, and ask the desk."""

DESK_SCOPES = [
    "list:users",
    "read:users:name",
    "read:users:groups",
    "list:groups",
    "delete:servers",
]
"""What the desk itself may do at the Hub: know who there is, and stop servers."""


def extend_admin_role() -> None:
    """Give the desk's scopes to all administrators of the Hub, present and future.

    JupyterHub lets its role «admin» be changed by no configuration. A role of our own would have
    to be given to each new administrator by hand; so the definition of the role is extended.
    """
    define = roles.get_default_roles

    def with_ours() -> list[dict[str, Any]]:
        defined: list[dict[str, Any]] = define()
        for role in defined:
            if role["name"] == "admin":
                role["scopes"] = [*role["scopes"], MANAGE, READ]
        return defined

    roles.get_default_roles = with_ours
