"""The machine's own network, as far as an engine's networks must fit into it."""

import contextlib
import ipaddress
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gpudock.deploy import say

ETHERNET_MTU = 1500


class Network:
    """Reads and changes this machine's interfaces with ``ip``.

    Args:
        environ: the environment in which ``ip`` is found.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)

    def routes(self, *, except_for: str) -> list[str]:
        """Return the IPv4 destinations that are routed, less those of one interface."""
        listed = self._json("-4", "route", "show", "table", "all")
        return [
            route["dst"]
            for route in listed
            if route["dst"] != "default" and route.get("dev") != except_for
        ]

    def mtu(self) -> int:
        """Return the largest packet in bytes that the interface of the default route carries."""
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
        """Make a bridge with an address, unless it is there already.

        Args:
            name: the bridge's name.
            address: its address and the length of the network's prefix.
            mac: its hardware address. A bridge that is left to choose takes on that of a container
                which comes, and changes it when that one goes: all others then lose their way.

        Raises:
            ProblemError: the kernel refuses.
        """
        if not Path(f"/sys/class/net/{name}").exists():
            self._change("link", "add", name, "type", "bridge")
        self._change("link", "set", name, "address", mac)
        self._change("address", "replace", address, "dev", name)
        self._change("link", "set", name, "up")

    def delete_link(self, name: str) -> None:
        """Remove an interface, if it is there.

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
            raise say.ProblemError(f"«ip {' '.join(arguments)}» failed: {done.stderr.strip()}")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ip", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )
