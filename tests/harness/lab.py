"""The whole lab on a real engine of the tests' own, with two simulated GPUs.

It is brought up by the very command that people use. An engine or a lab that is up already is used
as it is, so that working on a test is quick: the first run makes the images, which takes minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import httpx

from gpudock.deploy.engine_config import EnginePaths
from gpudock.engine.labels import LABEL_LAB, LABEL_LEASE, LABEL_SERVER, LABEL_USER
from gpudock.policy.gpu_health import AdminState
from gpudock.store import Store
from harness.hub_client import HubClient
from harness.waiting import wait_for
from simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

    from gpudock.store import Transaction

ROOT = Path(__file__).parents[2]
SOCKET = Path(os.environ.get("GPUDOCK_TEST_SOCKET", "/run/gpudock-test/docker.sock"))
PROJECT = os.environ.get("GPUDOCK_TEST_PROJECT", "gpudock-test")
PORT = int(os.environ.get("GPUDOCK_TEST_PORT", "18765"))
GPUS = 2
ADMIN_PASSWORD = "correct-horse-battery"
PASSWORD = "battery-staple-horse"
_STARTING_SECONDS = 120
_COMMAND_SECONDS = 3000


class Lab:
    """One lab under test.

    Attributes:
        url: where users come in.
        docker: the engine.
        simulator: the simulated GPUs' state.
    """

    def __init__(self) -> None:
        self.docker = docker.DockerClient(base_url=f"unix://{SOCKET}", timeout=120)
        self.paths = EnginePaths.of(SOCKET)
        self.url = f"http://{self.paths.address()}:{PORT}"
        self.simulator = Simulator(self.paths.state / "simulator" / "state")
        self._opened: tuple[int, Store] | None = None

    def is_up(self) -> bool:
        """Whether the lab's hub runs."""
        with contextlib.suppress(docker.errors.NotFound):
            return self.hub.status == "running"
        return False

    # The front door.

    @staticmethod
    def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run ``gpudock.deploy`` as the Makefile does; return how it ended and what it said."""
        return subprocess.run(
            [sys.executable, "-m", "gpudock.deploy", *arguments],
            cwd=ROOT,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("GPUDOCK_")},
                "PYTHONPATH": "spawner",
                "COMPOSE_PROJECT_NAME": PROJECT,
                "GPUDOCK_DOCKER_SOCKET": str(SOCKET),
                "GPUDOCK_PORT": str(PORT),
                "GPUDOCK_ADMIN_PASSWORD": ADMIN_PASSWORD,
                **settings,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_COMMAND_SECONDS,
        )

    def up(self) -> str:
        """Bring the lab up; return what that said."""
        done = self.command("up", "--simulate-gpus", str(GPUS))
        assert done.returncode == 0, done.stdout
        self._first_gpus = self.simulator.gpus
        return done.stdout

    def forget(self) -> None:
        """Remove the data of an earlier lab, which may have had other GPUs."""
        for volume in self.docker.volumes.list(
            filters={"label": f"com.docker.compose.project={PROJECT}"}
        ):
            volume.remove()

    def down(self) -> None:
        """Bring the lab down; its data stays."""
        done = self.command("down")
        assert done.returncode == 0, done.stdout

    # People.

    @cached_property
    def admin(self) -> HubClient:
        """The administrator, signed in."""
        return HubClient(self.url, "admin", ADMIN_PASSWORD).sign_in()

    def client(self, name: str) -> HubClient:
        """Return a user who is signed in; make the account where there is none."""
        user = HubClient(self.url, name, PASSWORD)
        if "/hub/login" in str(user.try_to_sign_in().url):
            user.sign_up()
            self.admin.authorize(name)
            user.sign_in()
        return user

    # Containers.

    @property
    def hub(self) -> Container:
        return self.docker.containers.get(f"{PROJECT}-hub-1")

    @property
    def proxy(self) -> Container:
        return self.docker.containers.get(f"{PROJECT}-proxy-1")

    @property
    def agent(self) -> Container:
        return self.docker.containers.get(f"{PROJECT}-agent")

    def servers(self, *, stopped: bool = False) -> list[Container]:
        """Users' containers that run, or all of them."""
        labels = [LABEL_LEASE, f"{LABEL_LAB}={PROJECT}"]
        return self.docker.containers.list(
            all=stopped, filters={"label": labels}, ignore_removed=True
        )

    def server_of(self, user: str, server: str = "") -> Container:
        """The one container of a user's server, in whatever state."""
        (found,) = (
            item
            for item in self.servers(stopped=True)
            if (item.labels[LABEL_USER], item.labels[LABEL_SERVER]) == (user, server)
        )
        return found

    @staticmethod
    def run_in(container: Container, *command: str) -> str:
        """Run a command in a container; return its output, or fail with it."""
        status, output = container.exec_run(list(command))
        assert status == 0, output.decode()
        return output.decode()

    # The hub.

    def answers(self) -> bool:
        """Whether the hub answers through the proxy."""
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/hub/health", timeout=5).status_code == httpx.codes.OK
        return False

    def kill_hub(self) -> None:
        """End the hub between two of its instructions; it stays down."""
        self.hub.kill("SIGKILL")

    def start_hub(self) -> None:
        """Start the hub's container and wait until the hub answers."""
        self.hub.start()
        self.wait_until_up()

    def restart_hub(self) -> None:
        """Restart the hub as an administrator does."""
        self.hub.restart(timeout=20)
        self.wait_until_up()

    def wait_until_up(self) -> None:
        """Wait until the hub answers and knows the GPUs."""
        wait_for(self.answers, "the hub answers", _STARTING_SECONDS)
        wait_for(
            lambda: f"of {GPUS}</strong>" in self.admin.page("/hub/spawn/admin").text,
            "the lab reads its GPUs",
            _STARTING_SECONDS,
            every=0.5,
        )

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """Read the hub's database, also while the hub is down."""
        with self._store().snapshot() as transaction:
            yield transaction

    def leases(self) -> dict[str, dict[str, Any]]:
        """The live leases, by user (or ``user:server``), as the database has them."""
        with self.snapshot() as transaction:
            live = transaction.leases.live()
        return {
            ":".join(filter(None, (lease.user, lease.server))): {
                "id": lease.id,
                "user": lease.user,
                "server": lease.server,
                "state": lease.state,
                "gpus": list(lease.gpu_uuids),
                "container": lease.container_id,
            }
            for lease in live
        }

    def queue(self) -> list[str]:
        """The users whose requests wait, in order."""
        with self.snapshot() as transaction:
            return [item.request.user for item in transaction.requests.waiting()]

    def standings(self) -> dict[str, str]:
        """What the lab has decided about each GPU (``active``, ``quarantined``, …), by UUID."""
        with self.snapshot() as transaction:
            return {item.gpu.uuid: item.admin_state for item in transaction.gpus.records()}

    def return_gpus_to_service(self) -> None:
        """End every quarantine, as an administrator does."""
        with self._store().transaction() as transaction:
            for record in transaction.gpus.records():
                transaction.gpus.set_admin_state(record.gpu.uuid, AdminState.ACTIVE, None)

    def folder(self, volume: str) -> Path:
        """Where the engine keeps a volume of the lab."""
        return Path(self.docker.volumes.get(f"{PROJECT}_{volume}").attrs["Mountpoint"])

    def _store(self) -> Store:
        # Files that SQLite makes for root still belong to the owner of the database.
        path = self.folder("shared-data") / "gpudock.sqlite"
        assert path.exists(), "the hub has not made its database yet"
        file = path.stat().st_ino
        if self._opened is None or self._opened[0] != file:
            if self._opened is not None:
                self._opened[1].close()
            self._opened = (file, Store(f"sqlite:///{path}"))
        return self._opened[1]

    def wipe_store(self) -> None:
        """Lose the leases' database, while no hub runs."""
        for file in self.folder("shared-data").glob("gpudock.sqlite*"):
            file.unlink()

    # The engine.

    def engine_pid(self) -> int:
        return int(self.paths.pidfile.read_text())

    def restart_engine(self, *, live_restore: bool) -> None:
        """Restart the engine; without live-restore all containers end with it.

        Returns when the hub has come back: its container has the old engine's socket, so that the
        hub ends itself, and the new engine starts it again.
        """
        hub_started = self.hub.attrs["State"]["StartedAt"]
        if not live_restore:
            options = json.loads(self.paths.configuration.read_text())
            self.paths.configuration.write_text(json.dumps({**options, "live-restore": False}))
            os.kill(self.engine_pid(), signal.SIGHUP)
            wait_for(lambda: not self.docker.info()["LiveRestoreEnabled"], "the new setting holds")
        done = self.command("engine", "--socket", str(SOCKET), "--stop", "--keep-containers")
        assert done.returncode == 0, done.stdout
        done = self.command("engine", "--socket", str(SOCKET))
        assert done.returncode == 0, done.stdout
        wait_for(
            lambda: self.hub.attrs["State"]["StartedAt"] != hub_started,
            "the hub has started again",
            _STARTING_SECONDS,
            every=0.5,
        )
        self.wait_until_up()

    # Tests.

    def clean_up(self) -> None:
        """Leave the lab as a test finds it: up, with nobody's servers, accounts, or files."""
        self.simulator.create(self._first_gpus)
        self.hub.start()
        self.wait_until_up()
        self.admin.forget_users()
        wait_for(self._remove_servers, "all containers are removed", 60, every=0.5)
        wait_for(lambda: not self.leases(), "all leases end", 60, every=0.5)
        wait_for(self._all_are_free, "all GPUs are free", 60, every=0.5)
        wait_for(self._remove_workspaces, "all workspaces are removed", 60, every=0.5)

    def _remove_servers(self) -> bool:
        left = self.servers(stopped=True)
        for container in left:
            # The hub may be at it already, or be making another one still.
            with contextlib.suppress(docker.errors.APIError):
                container.remove(force=True, v=True)
        return not left

    def _all_are_free(self) -> bool:
        # What the hub has read last may be older than what has ended since.
        self.return_gpus_to_service()
        return self.admin.sees_all_gpus_free(GPUS)

    def _remove_workspaces(self) -> bool:
        left = [v for v in self.docker.volumes.list() if v.name.startswith("gpudock-workspace-")]
        for volume in left:
            # A container that is being removed still has it.
            with contextlib.suppress(docker.errors.APIError):
                volume.remove()
        return not left

    def logs(self) -> Iterator[tuple[str, str]]:
        """What the containers of the lab have said last, for a test that failed."""
        for container in self.docker.containers.list(all=True, ignore_removed=True):
            try:
                said = container.logs(tail=80).decode("utf-8", "replace")
            except docker.errors.APIError as error:
                said = f"It cannot be read: {error}"
            yield f"the log of {container.name} ({container.status})", said
