"""Two labs on one engine: gpudock as it is shipped, and the same with stock DockerSpawner."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import docker

from gpudock.deploy import output
from gpudock.deploy.simulated_gpus import simulate
from gpudock.deploy.tools import Compose, Tools, find_tools
from gpudock.deploy.up import read_configuration
from harness.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gpudock.deploy.engine import Engine

SOCKET = Path(os.environ.get("GPUDOCK_TEST_SOCKET", "/run/gpudock-test/docker.sock"))
FILES = Path(__file__).parent
ROOT = FILES.parent.parent
OUR_IMAGE = "gpudock/pytorch-cuda:v2.6"
STOCK_IMAGE = "gpudock/bench-stock:v2.6"
TORCH_IMAGE = "gpudock/bench-torch:v2.6"
START_SECONDS = 180


@dataclass
class Lab:
    """One lab under test: a Compose project of the shipped file and an addition to it.

    Attributes:
        name: ``stock`` or ``gpudock``.
        engine: where it runs.
        options: the spawn options of each request.
        token: the benchmark's token for the hub's REST API.
        port: of the proxy, at the engine's address.
    """

    name: str
    engine: Engine
    options: Mapping[str, object] = field(default_factory=dict)
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    port: int = field(default_factory=free_port)

    @property
    def project(self) -> str:
        """The Compose project, its network, and the prefix of users' containers and volumes."""
        return f"gpudock-bench-{self.name}"

    @property
    def url(self) -> str:
        """Where users come in."""
        return f"http://{self.engine.address}:{self.port}"

    def up(self) -> None:
        """Start the lab and wait until it is healthy.

        Raises:
            ProblemError: it does not start.
        """
        output.step(f"Starting the lab {self.name}")
        compose = self._compose()
        status, said = compose.run(
            "up", "--detach", "--no-build", "--wait", "--wait-timeout", str(START_SECONDS)
        )
        if status != 0:
            _, log = compose.run("logs", "--no-log-prefix", "--tail", "40")
            raise output.ProblemError(f"The lab {self.name} did not start:\n{said}\n{log}")

    def down(self) -> None:
        """Remove the lab: its users' containers and volumes, and its own."""
        compose = self._compose()
        compose.run("stop")
        with docker_client(self.engine) as client:
            for container in client.containers.list(all=True, filters={"network": self.project}):
                container.remove(force=True)
            for container in client.containers.list(
                all=True, filters={"label": f"gpudock.lab={self.project}"}
            ):
                container.remove(force=True)
            compose.run("down", "--volumes", "--remove-orphans")
            for volume in client.volumes.list():
                if volume.name.startswith(f"{self.project}-"):
                    volume.remove()

    def hub(self) -> tuple[str, str]:
        """Return the hub's container id and its address on the users' network."""
        with docker_client(self.engine) as client:
            (hub,) = client.containers.list(
                filters={
                    "label": [
                        f"com.docker.compose.project={self.project}",
                        "com.docker.compose.service=hub",
                    ]
                }
            )
            return hub.id, hub.attrs["NetworkSettings"]["Networks"][self.project]["IPAddress"]

    def log(self) -> str:
        """Return the end of the hub's log, for when something fails."""
        return self._compose().run("logs", "--no-log-prefix", "--tail", "60", "hub")[1]

    def _compose(self) -> Compose:
        environ = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_FILE": f"docker-compose.yml:tests/benchmarks/{self.name}/compose.yml",
            "COMPOSE_ENV_FILES": "/dev/null",
            "GPUDOCK_DOCKER_SOCKET": str(self.engine.socket),
            "GPUDOCK_PORT": str(self.port),
            "GPUDOCK_WORKSPACES": self.project + "-{user}",
            "BENCH_TOKEN": self.token,
            "BENCH_FILES": str(FILES),
            "BENCH_IMAGE": STOCK_IMAGE,
        }
        return Compose(find_tools(self.engine.socket, environ), ROOT, environ)


@contextmanager
def docker_client(engine: Engine) -> Iterator[docker.DockerClient]:
    """Be connected to the engine for the duration of a ``with`` block."""
    client = docker.DockerClient(base_url=f"unix://{engine.socket}", timeout=120)
    try:
        yield client
    finally:
        client.close()


def build_stock_image(engine: Engine) -> None:
    """Build the image that stock DockerSpawner is given.

    Raises:
        ProblemError: it cannot be built.
    """
    output.step("Building the plain image that stock DockerSpawner is given")
    environ = read_configuration(ROOT, os.environ).environ
    tools = find_tools(engine.socket, environ)
    secret = f"id=ca,src={environ['GPUDOCK_CA_BUNDLE']}"
    ours = "images/pytorch-cuda/Dockerfile"
    _build(tools, secret, "--file", ours, "--target", "torch", "--tag", TORCH_IMAGE)
    _build(
        tools,
        secret,
        *("--file", "tests/benchmarks/stock/Dockerfile", "--build-arg"),
        *(f"TORCH_IMAGE={TORCH_IMAGE}", "--tag", STOCK_IMAGE),
        *("--build-context", f"bench={FILES}"),
    )


def _build(tools: Tools, secret: str, *arguments: str) -> None:
    done = tools.run("buildx", "build", "--load", "--secret", secret, *arguments, str(ROOT))
    if done.returncode != 0:
        raise output.ProblemError(f"The image could not be built:\n{done.stderr[-4000:]}")


def give_gpus(engine: Engine, gpus: int) -> None:
    """Give the engine simulated GPUs, one for each user."""
    simulate(engine, ROOT, gpus)
