"""A lab whose desk is asked by everybody who might: what each has, and their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.waiting import wait_for

if TYPE_CHECKING:
    import httpx

    from harness.desk_process import DeskProcess
    from harness.hub_client import HubClient

READ, MANAGE = "custom:gpudock:read", "custom:gpudock:manage"
LAB = "vision"

# Grants a lead of the group and a reader what they need; JupyterHub's own configuration.
ROLES = """
c.JupyterHub.load_groups = {"vision": ["ada", "lea"], "audio": ["bob"]}
c.JupyterHub.load_roles.extend([
    {"name": "vision-lead", "scopes": ["custom:gpudock:manage!group=vision"], "users": ["lea"]},
    {"name": "lab-reader", "scopes": ["custom:gpudock:read"], "users": ["rita"]},
])
c.Authenticator.allowed_users = {"ada", "bob", "lea", "rita"}
"""

PRINCIPALS = ("nobody", "user", "other", "lead", "reader", "admin", "server")


@dataclass
class People:
    """Those who ask, and what they ask about.

    Attributes:
        desk: the desk.
        clients: signed-in users by name.
        tokens: a token for each of :data:`PRINCIPALS`; none for "nobody".
        lease: of the session that ``user`` (ada) has; both GPUs but one are hers and bob's.
        request: of the server for which ``user`` waits.
    """

    desk: DeskProcess
    clients: dict[str, HubClient]
    tokens: dict[str, str | None]
    lease: str
    request: str

    def ask(self, principal: str, method: str, path: str, **request: Any) -> httpx.Response:
        return self.desk.ask(method, path, self.tokens[principal], **request)


def gather(desk: DeskProcess) -> People:
    """Sign everybody in; let ada have a GPU and wait for another, and bob have the other one."""
    hub = desk.hub
    clients = {name: hub.client(name) for name in ("ada", "bob", "lea", "rita")}
    admin = desk.token(hub.admin)
    for name in ("ada", "bob"):
        # Sessions are as long as they may be, so that extending one is refused to everybody.
        document = {"max_gpus": 2, "session_hours": 12}
        changed = desk.ask("PUT", f"quotas/users/{name}", admin, json=document)
        assert changed.status_code == 200, changed.text
    clients["ada"].start_server(gpus=1)
    clients["bob"].start_server(gpus=1)
    clients["ada"].ask_for_server("second", gpus=1)
    waiting = wait_for(
        lambda: desk.ask("GET", "queue", admin).json()["queue"], "ada waits for a second GPU"
    )
    container = next(item for item in hub.docker.servers if item.labels["gpudock.user"] == "ada")
    tokens = {
        "nobody": None,
        "user": desk.token(clients["ada"]),
        "other": desk.token(clients["bob"]),
        "lead": desk.token(clients["lea"]),
        "reader": desk.token(clients["rita"]),
        "admin": admin,
        "server": container.environment["JUPYTERHUB_API_TOKEN"],
    }
    return People(desk, clients, tokens, hub.leases()["ada"].id, waiting[0]["id"])
