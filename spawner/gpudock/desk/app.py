"""The desk as a tornado application: which handler serves which address."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyterhub._data import DATA_FILES_PATH
from tornado.web import Application, StaticFileHandler

from gpudock.desk.api import ENDPOINTS
from gpudock.desk.handlers import APIHandler, NotFoundHandler
from gpudock.desk.pages import PageHandler
from gpudock.desk.service import (
    CallbackHandler,
    DocumentHandler,
    HealthHandler,
    MetricsHandler,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tornado.web import RequestHandler

    from gpudock.desk.backend import Backend
    from gpudock.desk.endpoints import Endpoint
    from gpudock.desk.hub_client import DeskOAuth

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
HUB_STATIC = Path(DATA_FILES_PATH) / "static"
"""The Hub's styles. The desk serves them too, so that its pages look right without the Hub."""

API = "api/v1/"
"""The path of the REST API, below the desk's own."""


class StaticFiles(StaticFileHandler):
    """Styles and scripts of the pages, which contain no data of the lab."""

    def set_extra_headers(self, path: str) -> None:
        """Keep browsers from guessing media types."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")


def make_app(
    backend: Backend,
    hub_auth: DeskOAuth,
    *,
    cookie_secret: bytes,
    metrics_token: str | None = None,
    lab_name: str | None = None,
    has_logo: bool = False,
) -> Application:
    """Return the application.

    Args:
        backend: the lab and the Hub.
        hub_auth: the Hub's sign-in, which has the desk's own path.
        cookie_secret: signs the cookies of browsers.
        metrics_token: lets Prometheus read the metrics; ``None``: only a token of the Hub does.
        lab_name: the lab's name, which the pages show.
        has_logo: whether the lab has a logo of its own, which the Hub serves.
    """
    common: dict[str, Any] = {"backend": backend, "hub_auth": hub_auth}
    here = re.escape(hub_auth.base_url)
    routes: list[tuple[str, type[RequestHandler], dict[str, Any]]] = [
        (f"{here}health", HealthHandler, common),
        (f"{here}metrics", MetricsHandler, common),
        (f"{here}oauth_callback", CallbackHandler, common),
        (f"{here}static/hub/(.*)", StaticFiles, {"path": str(HUB_STATIC)}),
        (f"{here}static/(.*)", StaticFiles, {"path": str(STATIC)}),
        (f"{here}{re.escape(API)}openapi.json", DocumentHandler, common),
        *(
            (f"{here}{pattern(path)}", APIHandler, {**common, "endpoints": endpoints})
            for path, endpoints in by_path(ENDPOINTS).items()
        ),
        (f"{here}(?P<section>[a-z]*)", PageHandler, common),
    ]
    return Application(
        routes,
        cookie_secret=cookie_secret,
        metrics_token=metrics_token,
        lab_name=lab_name,
        has_logo=has_logo,
        default_handler_class=NotFoundHandler,
        default_handler_args=common,
        log_function=_log_request,
    )


def by_path(endpoints: Iterable[Endpoint]) -> dict[str, dict[str, Endpoint]]:
    """Return endpoints by path and method; paths without parameters come first."""
    found: dict[str, dict[str, Endpoint]] = {}
    for endpoint in sorted(endpoints, key=lambda item: ("{" in item.path, item.path)):
        found.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return found


def pattern(path: str) -> str:
    """Return the regular expression for an endpoint's path, below the desk's own."""
    parts = re.split(r"{(\w+)}", path)
    named = (
        f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part) for number, part in enumerate(parts)
    )
    return re.escape(API) + "".join(named)


def _log_request(handler: RequestHandler) -> None:
    """Log a request with its path only; the query may contain a secret."""
    request = handler.request
    status = handler.get_status()
    level = logging.INFO if status < 500 else logging.ERROR
    if request.path.endswith("/health") and status < 500:
        level = logging.DEBUG
    principal = getattr(handler, "principal", None)
    who = principal.actor if principal is not None else "-"
    milliseconds = 1000.0 * request.request_time()
    log.log(level, "%s %s %s %s %.0f ms", status, request.method, request.path, who, milliseconds)
