"""The HTTP proxy of a company's network, for users' containers.

Docker's client configuration (``proxies`` in ``config.json``) sets these variables in containers
that Compose creates, so also in the hub's. The hub creates users' containers itself, through the
Engine's API, which does not know that configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY")
EXCEPTIONS = "NO_PROXY"
LOCAL = ("localhost", "127.0.0.1", "::1", "hub")
"""What a user's container reaches without a proxy: itself, and the hub."""


def http_proxy_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with which a user's container uses the same proxy.

    Programs differ in whether they read the names in capitals or in small letters, so both are set.

    Args:
        environ: the hub's environment.

    Returns:
        The proxies of *environ*, and its exceptions with those of the lab added; empty if it names
        no proxy.
    """
    found = {name: value for name in PROXIES if (value := _value(environ, name))}
    if not found:
        return {}
    given = [host.strip() for host in _value(environ, EXCEPTIONS).split(",")]
    found[EXCEPTIONS] = ",".join(dict.fromkeys([*filter(None, given), *LOCAL]))
    return found | {name.lower(): value for name, value in found.items()}


def _value(environ: Mapping[str, str], name: str) -> str:
    # In a process of a web server HTTP_PROXY may come from a request; the hub is none.
    return environ.get(name.lower()) or environ.get(name) or ""
