"""Paths, names and configuration of an engine that gpudock starts, derived from its socket."""

import hashlib
import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATES = Path("/var/lib/gpudock/engines")
DEFAULT_SOCKET = Path("/var/run/docker.sock")
CDI_SPEC_DIRS = (Path("/etc/cdi"), Path("/var/run/cdi"))


@dataclass(frozen=True)
class EnginePaths:
    """The paths and names of one engine; two engines share none of them.

    Attributes:
        socket: where the engine listens.
        data_root: its images, containers and volumes.
        exec_root: its runtime state.
        state: its configuration and its log.
        namespace: the name of its network namespace; ``None``: the machine's own.
    """

    socket: Path
    data_root: Path
    exec_root: Path
    state: Path
    namespace: str | None

    @classmethod
    def of(cls, socket: Path, data_root: Path | None = None) -> "EnginePaths":
        """Derive an engine's paths from its socket.

        The default socket has Docker's usual paths, so that a Docker that is installed later finds
        the same images and volumes.
        """
        if _same(socket, DEFAULT_SOCKET):
            return cls(
                socket,
                data_root or Path("/var/lib/docker"),
                Path("/var/run/docker"),
                STATES / "default",
                namespace=None,
            )
        # Short, because interface names have at most 15 characters and socket paths 107.
        name = "gd" + hashlib.sha256(str(_resolved(socket)).encode()).hexdigest()[:8]
        state = STATES / name
        return cls(
            socket,
            data_root or state / "data",
            Path("/var/run") / name,
            state,
            name,
        )

    @property
    def pidfile(self) -> Path:
        """The file with the engine's process id."""
        return self.exec_root / "gpudock-engine.pid"

    @property
    def configuration(self) -> Path:
        """The engine's configuration file, whose path in the command line identifies the engine."""
        return self.state / "daemon.json"

    @property
    def log(self) -> Path:
        """The file of the engine's output."""
        return self.state / "engine.log"

    @property
    def network(self) -> Path:
        """The file with the addresses of the engine's namespace, while that exists."""
        return self.state / "network"

    def address(self) -> str:
        """Return where the engine's published ports answer: a host name or IPv4 address."""
        pool = self.recorded_pool()
        return "localhost" if pool is None else str(pool[2])

    def recorded_pool(self) -> ipaddress.IPv4Network | None:
        """Return the addresses of the engine's namespace, if it has one."""
        try:
            return ipaddress.IPv4Network(self.network.read_text().strip())
        except (OSError, ValueError):
            return None

    def address_pool(self, taken: Iterable[str]) -> ipaddress.IPv4Network:
        """Choose a /16 for this engine's namespace that overlaps no route of this machine.

        The choice is the same as long as the routes are the same.

        Args:
            taken: the destinations of the machine's routes.
        """
        networks = [ipaddress.IPv4Network(route, strict=False) for route in taken]
        start = int(hashlib.sha256(str(self.namespace).encode()).hexdigest(), 16)
        for offset in range(200):
            candidate = ipaddress.IPv4Network(f"10.{40 + (start + offset) % 200}.0.0/16")
            if not any(candidate.overlaps(network) for network in networks):
                return candidate
        raise ValueError("every 10.x.0.0/16 is routed on this machine")

    @property
    def cdi_spec_dirs(self) -> tuple[Path, ...]:
        """The engine's folders of CDI specifications: the usual ones, or one of its own."""
        return (self.state / "cdi",) if self.namespace else CDI_SPEC_DIRS

    def daemon_options(
        self, programs: Path, mtu: int, pool: ipaddress.IPv4Network | None
    ) -> dict[str, Any]:
        """Build the content of the engine's configuration file.

        Args:
            programs: the folder of the engine's programs.
            mtu: MTU of the machine's default route, in bytes.
            pool: the addresses of the engine's namespace; ``None``: Docker's default.
        """
        options: dict[str, Any] = {
            "hosts": [f"unix://{self.socket}"],
            "data-root": str(self.data_root),
            "exec-root": str(self.exec_root),
            "pidfile": str(self.pidfile),
            "live-restore": True,
            "features": {"cdi": True},
            "cdi-spec-dirs": [str(path) for path in self.cdi_spec_dirs],
            "log-driver": "json-file",
            "log-opts": {"max-size": "10m", "max-file": "3"},
            "init-path": str(programs / "tini-static"),
            "userland-proxy-path": str(programs / "docker-proxy"),
            "mtu": mtu,
            "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": str(mtu)}},
        }
        if pool is not None:
            # The first /24 has the connection to the machine, the second one the default bridge.
            options["bip"] = f"{pool[257]}/24"
            upper_half = list(pool.subnets())[1]
            options["default-address-pools"] = [{"base": str(upper_half), "size": 24}]
        return options

    def write_configuration(self, options: dict[str, Any]) -> None:
        """Write the engine's configuration file."""
        self.state.mkdir(parents=True, exist_ok=True)
        self.configuration.write_text(json.dumps(options, indent=2) + "\n")


def _resolved(path: Path) -> Path:
    return path.parent.resolve() / path.name


def _same(one: Path, other: Path) -> bool:
    return _resolved(one) == _resolved(other)
