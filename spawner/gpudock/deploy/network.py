"""The machine's network interfaces and routes, for an engine's networks."""

import contextlib
import ipaddress
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gpudock.deploy import output

ETHERNET_MTU = 1500


class Network:
    """Reads and changes this machine's interfaces with ``ip``.

    Args:
        environ: the environment in which ``ip`` is found.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)

    def routes(self, *, except_for: str) -> list[str]:
        """Return the destinations of all IPv4 routes except those of one interface."""
        listed = self._json("-4", "route", "show", "table", "all")
        return [
            route["dst"]
            for route in listed
            if route["dst"] != "default" and route.get("dev") != except_for
        ]

    def mtu(self) -> int:
        """Return the MTU of the default route's interface, in bytes."""
        for route in self._json("-4", "route", "show", "default"):
            with contextlib.suppress(OSError, KeyError):
                return int(Path(f"/sys/class/net/{route['dev']}/mtu").read_text())
        return ETHERNET_MTU

    def links_within(self, pools: Sequence[str]) -> list[str]:
        """Return the interfaces that have an IPv4 address in one of these networks."""
        networks = [ipaddress.IPv4Network(pool) for pool in pools]
        return [
            link["ifname"]
            for link in self._json("-4", "address", "show")
            for address in link["addr_info"]
            if any(ipaddress.IPv4Address(address["local"]) in network for network in networks)
        ]

    def add_bridge(self, name: str, address: str, mac: str) -> None:
        """Create a bridge with an address, unless it exists.

        Args:
            name: the bridge's name.
            address: its address and the network's prefix length.
            mac: its MAC address. A bridge without a fixed one uses the address of one of its
                containers, and all others lose their connection when that one is removed.

        Raises:
            ProblemError: the kernel refuses.
        """
        if not Path(f"/sys/class/net/{name}").exists():
            self._change("link", "add", name, "type", "bridge")
        self._change("link", "set", name, "address", mac)
        self._change("address", "replace", address, "dev", name)
        self._change("link", "set", name, "up")

    def delete_link(self, name: str) -> None:
        """Remove an interface, if it exists.

        Raises:
            ProblemError: the kernel refuses.
        """
        if Path(f"/sys/class/net/{name}").exists():
            self._change("link", "delete", name)

    def _json(self, *arguments: str) -> list[dict[str, Any]]:
        done = self._run("-json", *arguments)
        listed: list[dict[str, Any]] = json.loads(done.stdout or "[]")
        return listed

    def _change(self, *arguments: str) -> None:
        done = self._run(*arguments)
        if done.returncode != 0:
            command = " ".join(("ip", *arguments))
            raise output.ProblemError(f'"{command}" failed: {done.stderr.strip()}')

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ip", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )
