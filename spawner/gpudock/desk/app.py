"""The desk as a tornado application: which address is whose."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyterhub._data import DATA_FILES_PATH
from tornado.web import Application, StaticFileHandler

from gpudock.desk.api import OPERATIONS
from gpudock.desk.handlers import APIHandler, NothingHere
from gpudock.desk.openapi import document
from gpudock.desk.pages import PageHandler, environment
from gpudock.desk.service import (
    CallbackHandler,
    DocumentHandler,
    HealthHandler,
    MetricsHandler,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tornado.web import RequestHandler

    from gpudock.desk.backend import Office
    from gpudock.desk.endpoints import Operation
    from gpudock.desk.hub_client import DeskOAuth

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
HUB_STATIC = Path(DATA_FILES_PATH) / "static"
"""The Hub's own styles. The desk has them too, so that its pages look right without the Hub."""

API = "api/v1/"
"""Where the REST API is, below the desk's own path."""


class StaticFiles(StaticFileHandler):
    """Styles and programs of the pages, which hold nothing of the lab."""

    def set_extra_headers(self, path: str) -> None:
        """Keep browsers from guessing types."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")


def make_app(
    office: Office, hub_auth: DeskOAuth, *, cookie_secret: bytes, metrics_token: str | None = None
) -> Application:
    """Return the application.

    Args:
        office: what answers.
        hub_auth: the Hub's sign-in, which knows the desk's own path.
        cookie_secret: signs the cookies of browsers.
        metrics_token: with which Prometheus may read the metrics; ``None``: only with the Hub's.
    """
    common: dict[str, Any] = {"office": office, "hub_auth": hub_auth}
    here = re.escape(hub_auth.base_url)
    pages = {**common, "environment": environment()}
    routes: list[tuple[str, type[RequestHandler], dict[str, Any]]] = [
        (f"{here}health", HealthHandler, common),
        (f"{here}metrics", MetricsHandler, {**common, "metrics_token": metrics_token}),
        (f"{here}oauth_callback", CallbackHandler, common),
        (f"{here}static/hub/(.*)", StaticFiles, {"path": str(HUB_STATIC)}),
        (f"{here}static/(.*)", StaticFiles, {"path": str(STATIC)}),
        (
            f"{here}{re.escape(API)}openapi.json",
            DocumentHandler,
            {**common, "document": document(OPERATIONS, hub_auth.base_url)},
        ),
        *(
            (f"{here}{pattern(path)}", APIHandler, {**common, "operations": operations})
            for path, operations in by_path(OPERATIONS).items()
        ),
        (f"{here}(?P<section>[a-z]*)", PageHandler, pages),
    ]
    return Application(
        routes,
        cookie_secret=cookie_secret,
        default_handler_class=NothingHere,
        default_handler_args=common,
        log_function=_log_request,
    )


def by_path(operations: Iterable[Operation]) -> dict[str, dict[str, Operation]]:
    """Return operations by path and method; paths without names in them come first."""
    found: dict[str, dict[str, Operation]] = {}
    for operation in sorted(operations, key=lambda item: ("{" in item.path, item.path)):
        found.setdefault(operation.path, {})[operation.method] = operation
    return found


def pattern(path: str) -> str:
    """Return the regular expression of an operation's address, below the desk's own path."""
    parts = re.split(r"{(\w+)}", path)
    named = (
        f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part) for number, part in enumerate(parts)
    )
    return re.escape(API) + "".join(named)


def _log_request(handler: RequestHandler) -> None:
    """Log a request by its path; what is behind it may be a secret."""
    request = handler.request
    status = handler.get_status()
    level = logging.INFO if status < 500 else logging.ERROR
    if request.path.endswith("/health") and status < 500:
        level = logging.DEBUG
    visitor = getattr(handler, "visitor", None)
    who = visitor.actor if visitor is not None else "-"
    milliseconds = 1000.0 * request.request_time()
    log.log(level, "%s %s %s %s %.0f ms", status, request.method, request.path, who, milliseconds)
