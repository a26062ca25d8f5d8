"""Where an engine of ours keeps its things and how it is configured, derived from its socket."""

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
class Place:
    """The paths and names of one engine, so that two engines never meet.

    Attributes:
        socket: where the engine listens.
        data_root: its images, containers and volumes.
        exec_root: its run-time state.
        state: our own notes on it: its configuration and its log.
        bridge: the network interface of its default network.
        own_bridge: whether we make and remove that interface, instead of the engine.
    """

    socket: Path
    data_root: Path
    exec_root: Path
    state: Path
    bridge: str
    own_bridge: bool

    @classmethod
    def of(cls, socket: Path, data_root: Path | None = None) -> "Place":
        """Derive an engine's place from its socket.

        The default socket has Docker's usual places, so that a Docker that is installed later
        finds the same images and volumes.
        """
        if _same(socket, DEFAULT_SOCKET):
            return cls(
                socket,
                data_root or Path("/var/lib/docker"),
                Path("/var/run/docker"),
                STATES / "default",
                "docker0",
                own_bridge=False,
            )
        # Short, because interface names end at 15 characters and socket paths at 107.
        name = "gd" + hashlib.sha256(str(_resolved(socket)).encode()).hexdigest()[:8]
        state = STATES / name
        return cls(
            socket,
            data_root or state / "data",
            Path("/var/run") / name,
            state,
            name,
            own_bridge=True,
        )

    @property
    def bridge_mac(self) -> str:
        """The hardware address of our own bridge: a locally administered one, always the same."""
        return "02:42:" + hashlib.sha256(self.bridge.encode()).digest()[:4].hex(":")

    @property
    def pidfile(self) -> Path:
        """The file with the process id of the engine."""
        return self.exec_root / "gpudock-engine.pid"

    @property
    def configuration(self) -> Path:
        """The engine's configuration file; its path in a command line tells our engines apart."""
        return self.state / "daemon.json"

    @property
    def log(self) -> Path:
        """The file that the engine's output goes to."""
        return self.state / "engine.log"

    def address_pool(self, taken: Iterable[str]) -> ipaddress.IPv4Network:
        """Choose a /16 for this engine's networks which no route of this machine touches.

        The choice is the same each time, as long as the routes are the same.

        Args:
            taken: the destinations of the routes that there are.
        """
        networks = [ipaddress.IPv4Network(route, strict=False) for route in taken]
        start = int(hashlib.sha256(self.bridge.encode()).hexdigest(), 16)
        for offset in range(200):
            candidate = ipaddress.IPv4Network(f"10.{40 + (start + offset) % 200}.0.0/16")
            if not any(candidate.overlaps(network) for network in networks):
                return candidate
        raise ValueError("every 10.x.0.0/16 is routed on this machine")

    @property
    def cdi_spec_dirs(self) -> tuple[Path, ...]:
        """Where the engine looks for devices: the usual folders, or one of its own."""
        return (self.state / "cdi",) if self.own_bridge else CDI_SPEC_DIRS

    def daemon_options(
        self, programs: Path, mtu: int, pool: ipaddress.IPv4Network | None
    ) -> dict[str, Any]:
        """Build the content of the engine's configuration file.

        Args:
            programs: the folder of the engine's programs.
            mtu: the largest packet, in bytes, that this machine's way out carries.
            pool: the addresses for this engine's networks; ``None`` leaves Docker's choice.
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
        if self.own_bridge:
            options["bridge"] = self.bridge
        if pool is not None:
            options["default-address-pools"] = [{"base": str(pool), "size": 24}]
        return options

    def write_configuration(self, options: dict[str, Any]) -> None:
        """Write the engine's configuration file."""
        self.state.mkdir(parents=True, exist_ok=True)
        self.configuration.write_text(json.dumps(options, indent=2) + "\n")


def _resolved(path: Path) -> Path:
    return path.parent.resolve() / path.name


def _same(one: Path, other: Path) -> bool:
    return _resolved(one) == _resolved(other)
