"""A network namespace for an engine that runs beside others.

An engine that starts flushes the ``DOCKER`` chains of its network namespace, no matter which engine
filled them: all published ports and all traffic between containers of another engine there are dead
until that one restarts (https://github.com/moby/moby/issues/34567). So each further engine gets a
namespace, which a pair of virtual interfaces connects to the machine. Its published ports answer at
:attr:`Namespace.address`.
"""

import contextlib
import ipaddress
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gpudock.deploy.network import Network

NAMESPACES = Path("/run/netns")
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


@dataclass(frozen=True)
class Namespace:
    """The network namespace of one engine, and what connects it to the machine.

    Attributes:
        name: the namespace's name, of at most 11 characters.
        pool: a /16 that nothing else on this machine uses. Its first /30 is the connection's; the
            rest is for the engine's networks.
    """

    name: str
    pool: ipaddress.IPv4Network

    @property
    def gateway(self) -> str:
        """The machine's address as seen from inside."""
        return str(self.pool[1])

    @property
    def address(self) -> str:
        """The namespace's address as seen from the machine; published ports answer there."""
        return str(self.pool[2])

    @property
    def outer_link(self) -> str:
        """The interface on the machine's side."""
        return outer_link(self.name)

    @property
    def inner_link(self) -> str:
        """The interface on the engine's side."""
        return f"{self.name}-in"

    def make(self, environ: Mapping[str, str], mtu: int) -> None:
        """Create the namespace and connect it; what exists already stays.

        Args:
            environ: the environment in which ``ip`` and ``iptables`` are found.
            mtu: MTU of the connection, in bytes.

        Raises:
            ProblemError: the kernel or the firewall refuses.
        """
        machine, inside = Network(environ), Network(environ, self.name)
        if not exists(self.name):
            machine.change("netns", "add", self.name)
        if not inside.has_link(self.inner_link):
            # The other end of one that is left leads to a namespace that has lost its name.
            machine.delete_link(self.outer_link)
            machine.change(
                *("link", "add", self.outer_link, "mtu", str(mtu), "type", "veth"),
                *("peer", "name", self.inner_link, "mtu", str(mtu), "netns", self.name),
            )
        machine.change("address", "replace", f"{self.gateway}/30", "dev", self.outer_link)
        machine.change("link", "set", self.outer_link, "up")
        inside.change("address", "replace", f"{self.address}/30", "dev", self.inner_link)
        for link in ("lo", self.inner_link):
            inside.change("link", "set", link, "up")
        inside.change("route", "replace", "default", "via", self.gateway)
        if _FORWARDING.read_text().strip() == "0":
            _FORWARDING.write_text("1")
        self.admit(environ)

    def admit(self, environ: Mapping[str, str]) -> None:
        """Make the machine's firewall forward what goes in and out; rules that exist stay.

        An engine of the machine has forwarded traffic dropped, except for what the chain
        ``DOCKER-USER`` accepts, which it leaves to administrators. When that engine starts later
        than this one, call this again.

        Raises:
            ProblemError: the firewall refuses.
        """
        machine = Network(environ)
        for table, chain, *rule in self._rules():
            if chain == "DOCKER-USER" and machine.policy(chain) is None:
                continue
            if chain == "FORWARD" and machine.policy(chain) == "ACCEPT":
                continue
            machine.add_rule(table, chain, *rule)

    def remove(self, environ: Mapping[str, str]) -> None:
        """Remove the namespace and all that connects it. Nothing may run inside any more.

        Raises:
            ProblemError: the kernel or the firewall refuses.
        """
        machine = Network(environ)
        for table, chain, *rule in self._rules():
            machine.delete_rule(table, chain, *rule)
        machine.delete_link(self.outer_link)
        if exists(self.name):
            machine.change("netns", "delete", self.name)
        _forget_folder()

    def _rules(self) -> Iterator[tuple[str, ...]]:
        """Yield the rules on the machine, as table, chain and the rest."""
        outside = ("!", "--out-interface", self.outer_link)
        source = ("--source", f"{self.address}/32")
        yield ("nat", "POSTROUTING", *source, *outside, "--jump", "MASQUERADE")
        for chain in ("DOCKER-USER", "FORWARD"):
            for direction in ("--in-interface", "--out-interface"):
                yield ("filter", chain, direction, self.outer_link, "--jump", "ACCEPT")


def enter(name: str) -> list[str]:
    """Return the words that run the command after them inside the namespace of this name."""
    return ["nsenter", f"--net={NAMESPACES / name}", "--"]


def exists(name: str) -> bool:
    """Return whether there is a network namespace of this name."""
    return (NAMESPACES / name).exists()


def outer_link(name: str) -> str:
    """Return the interface on the machine's side of the namespace of this name."""
    return f"{name}-out"


def _forget_folder() -> None:
    """Unmount the folder of namespaces, which the first ``ip netns add`` mounts, if it is empty."""
    if NAMESPACES.exists() and not any(NAMESPACES.iterdir()):
        # Mounted on itself, so that its device is its parent's, and no check finds the mount.
        subprocess.run(["umount", NAMESPACES], capture_output=True, check=False)
        with contextlib.suppress(OSError):
            NAMESPACES.rmdir()
