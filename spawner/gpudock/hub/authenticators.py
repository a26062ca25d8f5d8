"""Authenticators other than the lab's own, which an administrator has installed."""

from __future__ import annotations

from importlib.metadata import entry_points

from jupyterhub.auth import Authenticator
from traitlets.utils.importstring import import_item


def load_authenticator(name: str) -> type[Authenticator]:
    """Return the authenticator of a setting.

    Args:
        name: as in ``GPUDOCK_AUTHENTICATOR``: a name that a package registers with JupyterHub, such
            as ``ldap``, or the path of a class, such as ``ldapauthenticator.LDAPAuthenticator``.

    Raises:
        SystemExit: there is no such class, or it cannot be imported; the message says what to do.
            JupyterHub would show a traceback, once in each of the restarts that follow.
    """
    registered = entry_points(group="jupyterhub.authenticators")
    try:
        found = registered[name].load() if name in registered.names else import_item(name)
    except Exception as error:
        message = (
            f'gpudock: GPUDOCK_AUTHENTICATOR is "{name}", which the hub\'s image cannot load'
            f" ({type(error).__name__}: {error}). Check the name. If its package is missing, add it"
            ' to the image as "Other ways to sign in" in docs/administration.md shows.'
        )
        raise SystemExit(message) from error
    if not (isinstance(found, type) and issubclass(found, Authenticator)):
        message = (
            f'gpudock: GPUDOCK_AUTHENTICATOR is "{name}", which is not an authenticator of'
            f" JupyterHub. These are registered: {', '.join(sorted(registered.names))}."
        )
        raise SystemExit(message)
    return found
