"""The single-user server of JupyterHub, started without what a user's server does not use.

It is ``python -m jupyterhub.singleuser`` in all it does. But that imports the whole Hub with its
database layers, and helpers of JupyterLab that few people ever use: more than half of the time
between a container's start and the server's first answer. Here these wait until they are used.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from pathlib import Path

import bundle
from on_demand import absent, function, on_demand

# The Hub's half of JupyterHub. Its log function and its scopes name these, for the Hub's process.
HUB = {
    "jupyterhub.handlers": {},
    "jupyterhub.handlers.pages": {"HealthCheckHandler": type("HealthCheckHandler", (), {})},
    "jupyterhub.orm": {},
    "jupyterhub.roles": {},
    "sqlalchemy": {},
    "sqlalchemy.exc": {"SQLAlchemyError": type("SQLAlchemyError", (Exception,), {})},
}
# Checks of formats in JSON Schema that no schema of a usual server names.
FORMATS = {
    "fqdn": {"FQDN": function("fqdn", "FQDN")},
    "isoduration": {"DurationParsingException": Exception},
    "rfc3339_validator": {"validate_rfc3339": function("rfc3339_validator", "validate_rfc3339")},
    "uri_template": {},
    "webcolors": {},
}
# Installing JupyterLab's extensions from PyPI, and lists of those that may be installed.
LAB = {
    "jupyterlab.extensions.pypi": {
        "PyPIExtensionManager": function("jupyterlab.extensions.pypi", "PyPIExtensionManager")
    },
    "requests": {},
}
# A resolver of its own for aiohttp, which otherwise asks the system's; and a check that the schemas
# of the server's own events name themselves by well-formed URIs.
OPTIONAL = ("aiodns", "rfc3986_validator")
# All that the server is made of, so that nothing of the above is imported after this.
SERVER = (
    "jupyterhub.singleuser",
    "jupyter_server_terminals.app",
    "jupyterlab.labapp",
    "jupyterlab_gpudock.app.extension",
)
BUNDLE = Path(__file__).with_name("modules.bundle")


def main() -> None:
    """Start the server and return when it ends; with ``--bundle`` only write the bundle."""
    # Nothing that is imported becomes garbage: to look for some again and again only costs time.
    gc.disable()
    if sys.argv[1:] == ["--bundle"]:
        _import_server()
        bundle.write(BUNDLE)
        return
    try:
        bundle.use(BUNDLE)
        _import_server()
    except Exception as error:  # noqa: BLE001 (whatever it is, a server is wanted)
        # Another JupyterHub or JupyterLab than this was made for: then slowly, but surely.
        sys.stderr.write(f"gpudock: starting the server the plain way, because of {error!r}\n")
        plain = [sys.executable, "-s", "-P", "-m", "jupyterhub.singleuser", *sys.argv[1:]]
        os.execv(sys.executable, plain)  # noqa: S606
    gc.freeze()
    gc.enable()
    sys.modules["jupyterhub.singleuser"].main()


def _import_server() -> None:
    with on_demand(HUB | FORMATS | LAB), absent(*OPTIONAL):
        for module in SERVER:
            importlib.import_module(module)
