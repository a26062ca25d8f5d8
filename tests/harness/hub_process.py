"""A real JupyterHub in a process of its own, with the lab's own configuration."""

from __future__ import annotations

import functools
import json
import os
import secrets
import shutil
import signal
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from gpudock.broker import DeskBroker
from gpudock.config.shared_volume import HUB_PROBLEM
from gpudock.inventory import NoInventory
from gpudock.policy.gpu_health import AdminState
from gpudock.store import AuditFilter, Store
from harness.forge import Forge, Process
from harness.hub_client import HubClient
from harness.ports import free_port
from harness.waiting import wait_for

if TYPE_CHECKING:
    from doubles.docker import FakeDocker
    from gpudock.model import Lease, Request
    from gpudock.store import AuditEntry

ROOT = Path(__file__).parents[2]
PASSWORD = "correct-horse-battery"

# What differs from the configuration that a lab has: addresses, and the proxy.
_CONFIGURATION = """
import dataclasses
from gpudock.hub.runtime import Runtime

c.JupyterHub.bind_url = "http://127.0.0.1:{port}{base_url}"
c.JupyterHub.hub_ip = "127.0.0.1"
c.JupyterHub.hub_port = {port}
c.JupyterHub.hub_connect_ip = "127.0.0.1"
c.JupyterHub.proxy_class = "harness.file_proxy.FileProxy"
# Clients come from 127.0.0.1, and are the proxy as far as the hub can see.
c.GPUDockAuthenticator.proxy_hosts = ["127.0.0.1"]
# How long answers and the hub's start may be held up. What comes of a start that takes longer is
# shown on its progress page, and not by the answer's status.
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0.5, "slow_stop_timeout": 5}}
c.JupyterHub.init_spawners_timeout = 1
runtime = Runtime.instance()
runtime.config = dataclasses.replace(
    runtime.config, hub_api_url="http://127.0.0.1:{port}{base_url}hub/api", engine_patience=None
)
# A site's own service that manages users, as it did before the lab was there.
c.JupyterHub.services.append({{"name": "provisioning", "api_token": "{token}"}})
c.JupyterHub.load_roles.append(
    {{"name": "provisioning", "scopes": ["admin:users"], "services": ["provisioning"]}}
)
"""
_PROVISIONING_TOKEN = secrets.token_hex(16)


class HubProcess:
    """One lab's hub, which can be started, stopped and killed, again and again."""

    def __init__(
        self, directory: Path, docker: FakeDocker, extra: str = "", **settings: str
    ) -> None:
        """Prepare a hub; nothing runs yet.

        Args:
            directory: where all its files go.
            docker: the engine that it uses.
            extra: more configuration, as ``jupyterhub_config.py`` has it.
            settings: GPUDOCK_* settings without their prefix.
        """
        self.docker = docker
        self.state = directory / "state"
        self.log = directory / "hub.log"
        self.port = free_port()
        self.desk_port = free_port()
        self.base_url = settings.get("BASE_URL", "/")
        self.url = f"http://127.0.0.1:{self.port}{self.base_url.rstrip('/')}"
        self._process: Process | None = None
        self._config = directory / "etc" / "jupyterhub_config.py"
        self.state.mkdir()
        more = self._config.parent / "jupyterhub_config.d"
        more.mkdir(parents=True)
        shutil.copy(ROOT / "jupyterhub_config.py", self._config)
        self.configure(extra)
        given = {
            "AUTHENTICATOR": "dummy",
            "ALLOW_ANYONE": "yes",
            "DB_URL": f"sqlite:///{self.state}/shared/gpudock.sqlite",
            "DOCKER_SOCKET": str(docker.socket),
            "AGENT_IMAGE": "lab/hub:1",
            "DESK_URL": f"http://127.0.0.1:{self.desk_port}",
            "IMAGES": "Notebook=lab/notebook:1,Dying=lab/dying:1,Mute=lab/mute:1,Gone=lab/gone:1,"
            "Unbuilt=gpudock/unbuilt:1",
            **settings,
        }
        self._store = Store(given["DB_URL"])
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("GPUDOCK_", "COVERAGE"))},
            **{f"GPUDOCK_{name}": value for name, value in given.items()},
        }

    def configure(self, extra: str) -> None:
        """Set more configuration, for the next start, instead of what was set before."""
        text = _CONFIGURATION.format(
            port=self.port, base_url=self.base_url, token=_PROVISIONING_TOKEN
        )
        text += extra
        (self._config.parent / "jupyterhub_config.d" / "test.py").write_text(text)

    def put_beside_the_configuration(self, name: str, content: bytes) -> None:
        """Put a file into ``jupyterhub_config.d``."""
        (self._config.parent / "jupyterhub_config.d" / name).write_bytes(content)

    def start(self) -> HubProcess:
        """Start the hub and wait until it answers."""
        self.launch()
        wait_for(self._answers, "the hub answers", 120)
        return self

    def launch(self) -> None:
        """Start the hub's process."""
        self._process = Forge.instance().start(
            program="jupyterhub.app",
            arguments=["-f", str(self._config)],
            directory=str(self.state),
            log=str(self.log),
            environ=self.environ,
        )

    def kill(self) -> None:
        """End the hub between two of its instructions."""
        self._end(signal.SIGKILL)

    def stop(self, patience: float = 30.0) -> None:
        """End the hub as ``docker stop`` does, within so many seconds."""
        self._end(signal.SIGTERM, patience)

    def has_ended(self) -> bool:
        """Whether the hub has ended by itself."""
        return self._process is not None and not self._process.runs()

    def client(self, name: str, password: str = PASSWORD) -> HubClient:
        """Return a user who is signed in."""
        return HubClient(self.url, name, password).sign_in()

    @functools.cached_property
    def admin(self) -> HubClient:
        """The administrator, signed in."""
        return self.client("admin")

    def return_gpus_to_service(self) -> None:
        """End every quarantine and all sharing, as an administrator does."""
        with self._store.transaction() as transaction:
            for record in transaction.gpus.records():
                transaction.gpus.set_admin_state(record.gpu.uuid, AdminState.ACTIVE, None)
                transaction.gpus.set_slots(record.gpu.uuid, 1)

    def share_gpu(self, uuid: str, slots: int) -> None:
        """Share a GPU in slots, as an administrator does."""
        with self._store.transaction() as transaction:
            transaction.gpus.set_slots(uuid, slots)

    def set_quota(self, level: str, name: str, document: dict[str, object] | None) -> None:
        """Set what a level says, as an administrator does; ``None``: nothing."""
        broker = DeskBroker(self._store, NoInventory("Nobody asks here."))
        broker.quotas.set(level, name, document, "admin")

    def problem(self) -> str:
        """Return what the health check reads: why the hub does not work; empty if it does."""
        try:
            return (self.state / "shared" / HUB_PROBLEM).read_text()
        except FileNotFoundError:
            return ""

    def rename_user(self, name: str, new: str) -> None:
        """Rename a user, which people may not, but a service of the site may."""
        done = httpx.patch(
            f"{self.url}/hub/api/users/{name}",
            json={"name": new},
            headers={"Authorization": f"token {_PROVISIONING_TOKEN}"},
        )
        assert done.status_code == httpx.codes.OK, done.text

    def remove_account(self, name: str) -> None:
        """Remove a user from the Hub's own database, while no hub runs."""
        with sqlite3.connect(self.state / "jupyterhub.sqlite") as database:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("DELETE FROM users WHERE name = ?", (name,))

    def leases(self) -> dict[str, Lease]:
        """Return the live leases, by ``user`` or ``user:server``."""
        with self._store.snapshot() as transaction:
            return {_key(lease): lease for lease in transaction.leases.live()}

    def held(self) -> dict[str, tuple[str, str, tuple[str, ...], str | None]]:
        """Return each live lease's id, state, GPUs and container: what no restart changes."""
        return {
            key: (lease.id, lease.state.value, lease.gpu_uuids, lease.container_id)
            for key, lease in self.leases().items()
        }

    def ended(self, lease_id: str) -> Lease:
        """Return a lease that has ended."""
        with self._store.snapshot() as transaction:
            lease = transaction.leases.get(lease_id)
        assert lease is not None
        assert lease.ended_at is not None
        return lease

    def release(self, lease_id: str, reason: str) -> None:
        """End a session for *reason*, as the desk does."""
        broker = DeskBroker(self._store, NoInventory("Nobody asks here."))
        assert broker.sessions.release(lease_id, "admin", reason)

    def gpu_troubles(self) -> list[str]:
        """Return why GPUs are out of service, for each of them the latest that is known."""
        with self._store.snapshot() as transaction:
            records = transaction.gpus.records()
        return [text for record in records if (text := record.in_use_by or record.reason)]

    def queue(self) -> list[str]:
        """Return the servers whose requests wait, in order, as ``user`` or ``user:server``."""
        return [_key(request) for request in self.waiting()]

    def waiting(self) -> list[Request]:
        """Return the requests that wait, in order."""
        with self._store.snapshot() as transaction:
            return [item.request for item in transaction.requests.waiting()]

    def routes(self) -> dict[str, str]:
        """Return the proxy's routes: path to target."""
        document = json.loads((self.state / "routes.json").read_text())
        return {spec: route["target"] for spec, route in document.items()}

    def server_routes(self) -> dict[str, str]:
        """Return the proxy's routes to users' servers; none before the hub has run."""
        if not (self.state / "routes.json").exists():
            return {}
        prefix = f"{self.base_url}user/"
        return {spec: url for spec, url in self.routes().items() if spec.startswith(prefix)}

    def audit(self, what: str) -> list[AuditEntry]:
        """Return the changes of this kind in the audit trail, the latest first."""
        with self._store.snapshot() as transaction:
            return transaction.audit.page(0, 1000, AuditFilter(what=what))[0]

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.runs(), f"the hub ended:\n{self.log.read_text()[-4000:]}"
        try:
            return httpx.get(f"{self.url}/hub/health", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _end(self, how: signal.Signals, patience: float = 30.0) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end(how, patience)


def _key(item: Lease | Request) -> str:
    return f"{item.user}:{item.server}" if item.server else item.user
