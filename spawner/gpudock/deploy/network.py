"""The machine's network interfaces, routes and firewall, for an engine's networks."""

import contextlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpudock.deploy import output

ETHERNET_MTU = 1500


class Network:
    """Reads and changes the interfaces, routes and firewall of one network namespace.

    Args:
        environ: the environment in which ``ip`` and ``iptables`` are found.
        namespace: the name of a network namespace; ``None``: the one of this process.
    """

    def __init__(self, environ: Mapping[str, str], namespace: str | None = None) -> None:
        self._environ = dict(environ)
        self._ip = ["ip"] if namespace is None else ["ip", "-netns", namespace]

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

    def has_link(self, name: str) -> bool:
        """Return whether an interface of this name exists."""
        return self._run([*self._ip, "link", "show", name]).returncode == 0

    def delete_link(self, name: str) -> None:
        """Delete an interface, if it exists.

        Raises:
            ProblemError: the kernel refuses.
        """
        done = self._run([*self._ip, "link", "delete", name])
        # The kernel may delete it at the same time, some while after its namespace.
        if done.returncode != 0 and self.has_link(name):
            raise output.ProblemError(f'"ip link delete {name}" failed: {done.stderr.strip()}')

    def change(self, *arguments: str) -> None:
        """Run ``ip`` with these arguments.

        Raises:
            ProblemError: the kernel refuses.
        """
        self._check([*self._ip, *arguments])

    def policy(self, chain: str) -> str | None:
        """Return the firewall's policy for a chain of ``filter``: ``ACCEPT``, ``DROP``, or ``-``.

        Returns:
            ``-`` for a chain without a policy; ``None`` if there is no such chain.
        """
        done = self._run(["iptables", "--wait", "--list-rules", chain])
        first = done.stdout.split("\n", 1)[0].split()
        if done.returncode != 0 or not first:
            return None
        return first[2] if first[0] == "-P" else "-"

    def add_rule(self, table: str, chain: str, *rule: str) -> None:
        """Put a firewall rule before all others of its chain, unless it is in it.

        Raises:
            ProblemError: the firewall refuses.
        """
        if not self._has_rule(table, chain, *rule):
            self._check(["iptables", "--wait", "--table", table, "--insert", chain, *rule])

    def delete_rule(self, table: str, chain: str, *rule: str) -> None:
        """Remove a firewall rule, however often it is in its chain.

        Raises:
            ProblemError: the firewall refuses.
        """
        while self._has_rule(table, chain, *rule):
            self._check(["iptables", "--wait", "--table", table, "--delete", chain, *rule])

    def _has_rule(self, table: str, chain: str, *rule: str) -> bool:
        found = self._run(["iptables", "--wait", "--table", table, "--check", chain, *rule])
        return found.returncode == 0

    def _json(self, *arguments: str) -> list[dict[str, Any]]:
        done = self._run([*self._ip, "-json", *arguments])
        listed: list[dict[str, Any]] = json.loads(done.stdout or "[]")
        return listed

    def _check(self, command: list[str]) -> None:
        done = self._run(command)
        if done.returncode != 0:
            raise output.ProblemError(f'"{" ".join(command)}" failed: {done.stderr.strip()}')

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self._environ, capture_output=True, text=True, check=False
        )
