"""Where a request comes from: what the lab's proxy reports, or the other end of the connection.

Users' containers reach the hub without the proxy, and can send any header.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

# A restarted proxy may have another address, and its former one may be a user's by then.
_KEPT_SECONDS = 2.0
_LOOKUP_SECONDS = 2.0
_MAX_LENGTH = 64
_WITH_PORT = re.compile(r"\[(.*)\](?::\d+)?|([^:]*):\d+")
_IPV6_PREFIX = 64
"""A host gets at least this network, and can use a new address in it for each request."""


def peer_of(request: Any) -> str:
    """Return the address of the other end of a tornado request's connection.

    ``request.remote_ip`` is not that: tornado takes it from the headers.
    """
    return str(request.connection.context.address[0])


def address_of(request: Any, proxies: Collection[str], trusted: Collection[str]) -> str:
    """Return the address that a request came from.

    ``X-Forwarded-For`` counts only in requests of the lab's own proxy, which adds the address of
    its client at the end. The sender controls all other headers, including ``X-Real-Ip`` and the
    first addresses in ``X-Forwarded-For``.

    Args:
        request: tornado's.
        proxies: addresses of the lab's own proxy.
        trusted: addresses of further proxies in front of it.

    Returns:
        An IPv4 address, or the /64 network of an IPv6 address.
    """
    peer = _canonical(peer_of(request))
    if peer not in set(map(_canonical, proxies)):
        return _network(peer)
    ignored = {"", *map(_canonical, trusted)}
    hops = ",".join(request.headers.get_list("X-Forwarded-For")).split(",")
    for hop in reversed([_canonical(hop) for hop in hops]):
        if hop not in ignored:
            return _network(hop)
    return _network(peer)


def _canonical(address: str) -> str:
    """Return the one spelling of an address, without a port and without a zone."""
    text = address.strip()[:_MAX_LENGTH]
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def _network(address: str) -> str:
    """Return the network that one host has, for an address in its one spelling."""
    if ":" not in address:
        return address
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
    return address


class ProxyAddresses:
    """The present addresses of the lab's proxy, looked up by its host names."""

    def __init__(self, names: Iterable[str], ticks: Callable[[], float] = time.monotonic) -> None:
        """Look nothing up yet.

        Args:
            names: the proxy's host names, one for each network that it shares with the hub.
            ticks: a monotonic clock, in seconds.
        """
        self._names = tuple(names)
        self._ticks = ticks
        self._lock = asyncio.Lock()
        self._found: frozenset[str] = frozenset()
        self._looked_up_at: float | None = None

    async def get(self) -> frozenset[str]:
        """Return the addresses; none while the proxy has no address."""
        async with self._lock:
            now = self._ticks()
            if self._looked_up_at is None or now - self._looked_up_at >= _KEPT_SECONDS:
                found = await asyncio.gather(*map(_addresses, self._names))
                self._found = frozenset().union(*found)
                self._looked_up_at = self._ticks()
            return self._found


async def _addresses(name: str) -> frozenset[str]:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LOOKUP_SECONDS):
            found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            return frozenset(str(address[0]) for *_, address in found)
    return frozenset()
