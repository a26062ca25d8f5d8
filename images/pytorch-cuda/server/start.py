"""A faster start of JupyterHub's single-user server; without a hub, JupyterLab alone.

It does the same as ``python -m jupyterhub.singleuser``. But that imports the whole Hub with its
database layers, and helpers of JupyterLab that are rarely used, which takes more than half of the
time between a container's start and the server's first answer. Here they are imported on demand.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from pathlib import Path

import alone
import bundle
import inherited_limits
from on_demand import absent, function, on_demand

# The Hub's own modules, which JupyterHub's log function and scopes import.
HUB = {
    "jupyterhub.handlers": {},
    "jupyterhub.handlers.pages": {"HealthCheckHandler": type("HealthCheckHandler", (), {})},
    "jupyterhub.orm": {},
    "jupyterhub.roles": {},
    "sqlalchemy": {},
    "sqlalchemy.exc": {"SQLAlchemyError": type("SQLAlchemyError", (Exception,), {})},
}
# Format checks of JSON Schema that no schema of the server uses.
FORMATS = {
    "fqdn": {"FQDN": function("fqdn", "FQDN")},
    "isoduration": {"DurationParsingException": Exception},
    "rfc3339_validator": {"validate_rfc3339": function("rfc3339_validator", "validate_rfc3339")},
    "uri_template": {},
    "webcolors": {},
}
# JupyterLab's extension manager.
LAB = {
    "jupyterlab.extensions.pypi": {
        "PyPIExtensionManager": function("jupyterlab.extensions.pypi", "PyPIExtensionManager")
    },
    "requests": {},
}
# aiohttp's own resolver, which the system's replaces; and a check of the URIs in event schemas.
OPTIONAL = ("aiodns", "rfc3986_validator")
# The modules of the server.
SERVER = (
    "jupyterhub.singleuser",
    "jupyter_server_terminals.app",
    "jupyterlab.labapp",
    "jupyterlab_gpudock.app.extension",
)
BUNDLE = Path(__file__).with_name("modules.bundle")


def main() -> None:
    """Run the server; with ``--bundle`` only write the bundle."""
    # Imports create no garbage, so runs of the garbage collector would only cost time.
    gc.disable()
    if sys.argv[1:] == ["--bundle"]:
        _import_server()
        bundle.write(BUNDLE)
        return
    inherited_limits.raise_open_files()
    inherited_limits.limit_threads()
    if "JUPYTERHUB_API_TOKEN" not in os.environ:
        alone.main(sys.argv[1:])
    try:
        bundle.use(BUNDLE)
        _import_server()
    except Exception as error:  # noqa: BLE001 (the server must start after any error)
        # Perhaps JupyterHub or JupyterLab has another version: start without the optimizations.
        sys.stderr.write(f"gpudock: starting the server without optimizations: {error!r}\n")
        plain = [sys.executable, "-s", "-P", "-m", "jupyterhub.singleuser", *sys.argv[1:]]
        os.execv(sys.executable, plain)  # noqa: S606
    gc.freeze()
    gc.enable()
    sys.modules["jupyterhub.singleuser"].main()


def _import_server() -> None:
    with on_demand(HUB | FORMATS | LAB), absent(*OPTIONAL):
        for module in SERVER:
            importlib.import_module(module)
