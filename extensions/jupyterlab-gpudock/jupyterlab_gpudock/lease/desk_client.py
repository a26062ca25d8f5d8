"""The client of the desk's REST API, with this server's own token."""

from __future__ import annotations

import dataclasses
import json
import math
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from jupyterlab_gpudock.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONNECT_TIMEOUT_S, _REQUEST_TIMEOUT_S = 3.0, 8.0
_MAX_BODY_BYTES = 1024 * 1024
_MAX_MESSAGE_LENGTH = 500
INVALID_RESPONSE = "The desk of the hub returned an invalid response."
LANGUAGE: ContextVar[str] = ContextVar("language", default="en")
"""The languages of whom the answers are for, as in the header ``Accept-Language``."""


class DeskError(Exception):
    """A request to the desk failed."""

    def __init__(self, status: int | None, message: str) -> None:
        """Make the error.

        Args:
            status: the HTTP error; None when the desk did not respond, or not in its format.
            message: a sentence for the user.
        """
        super().__init__(message)
        self.status = status
        self.message = message

    def as_request_error(self) -> RequestError:
        """Return the error for a route that called the desk."""
        if self.status is None or self.status >= 500:
            return RequestError(503, "unreachable", self.message)
        if self.status in (401, 403):
            return RequestError(403, "refused", self.message)
        return RequestError(409, "not_done", self.message)


@dataclasses.dataclass(frozen=True, slots=True)
class HubEnvironment:
    """What the hub set in this server's environment. The token is a secret."""

    managed: bool
    """Whether a gpudock hub started this server."""
    lease: str | None
    """The ID of the lease; None when this server was started without a GPU."""
    api_url: str | None
    token: str | None = dataclasses.field(repr=False, default=None)
    user: str | None = None
    server: str = ""
    prefix: str = "/"
    """The Hub's base URL as browsers see it, with a trailing slash."""

    @property
    def hub_home(self) -> str | None:
        """The Hub's home page, where users start and stop servers."""
        return f"{self.prefix}hub/home" if self.managed else None

    @property
    def desk(self) -> str | None:
        """The desk's pages."""
        return f"{self.prefix}services/gpudock/" if self.managed else None

    @property
    def restart_page(self) -> str | None:
        """The Hub's page that starts this server again with the options of last time.

        The page waits while the server is still stopping.
        """
        if not self.managed or not self.user:
            return self.hub_home
        address = f"{self.prefix}hub/spawn/{quote(self.user, safe='')}"
        if self.server:
            address = f"{address}/{quote(self.server, safe='')}"
        return f"{address}?opt-again=1"


def hub_environment(environ: Mapping[str, str]) -> HubEnvironment:
    """Read what gpudock and JupyterHub set in a user's container."""

    def value(name: str) -> str | None:
        return environ.get(name, "").strip() or None

    lease, api_url = value("GPUDOCK_LEASE"), value("GPUDOCK_API_URL")
    host, base = value("JUPYTERHUB_HOST") or "", value("JUPYTERHUB_BASE_URL") or "/"
    return HubEnvironment(
        managed=lease is not None or api_url is not None,
        lease=lease,
        api_url=api_url.rstrip("/") if api_url else None,
        token=value("JUPYTERHUB_API_TOKEN"),
        user=value("JUPYTERHUB_USER"),
        server=value("JUPYTERHUB_SERVER_NAME") or "",
        prefix=f"{host}{base.rstrip('/')}/",
    )


class DeskClient:
    """Calls the desk's REST API."""

    def __init__(self, environment: HubEnvironment) -> None:
        """Make a client; the environment has the API's URL and the token."""
        self._environment = environment

    async def fetch(self, path: str, method: str = "GET", body: object = None) -> dict[str, Any]:
        """Return the JSON object that the desk returns, with its sentences in :data:`LANGUAGE`.

        Args:
            path: below the API's URL.
            method: HTTP method.
            body: JSON-ready data; None for no body.

        Raises:
            DeskError: the request failed.
        """
        here = self._environment
        if not here.api_url or not here.token:
            raise DeskError(None, "The hub has not given this server the address of its desk.")
        content = None if body is None else json.dumps(body)
        request = HTTPRequest(
            f"{here.api_url}/{path}",
            method=method,
            headers={
                "Authorization": f"token {here.token}",
                "Accept": "application/json",
                "Accept-Language": LANGUAGE.get(),
                "Content-Type": "application/json",
            },
            body=content,
            allow_nonstandard_methods=True,  # a POST without a body
            connect_timeout=_CONNECT_TIMEOUT_S,
            request_timeout=_REQUEST_TIMEOUT_S,
            follow_redirects=False,  # the token goes to the desk only
        )
        client = AsyncHTTPClient(force_instance=True, max_body_size=_MAX_BODY_BYTES)
        try:
            response = await client.fetch(request, raise_error=False)
        except (OSError, ValueError) as error:
            raise DeskError(None, f"The desk of the hub does not answer: {error}.") from error
        finally:
            client.close()
        document = _object(response.body)
        if response.code >= 300:
            raise DeskError(_status(response.code), _message(document, response.code))
        if document is None:
            raise DeskError(None, INVALID_RESPONSE)
        return document


def _object(content: bytes | None) -> dict[str, Any] | None:
    try:
        document = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _status(code: int) -> int | None:
    """Return the status of an HTTP error; 599 is tornado's own for no response."""
    return code if 400 <= code < 599 else None


def _message(document: dict[str, Any] | None, code: int) -> str:
    message = (document or {}).get("message")
    if isinstance(message, str) and message:
        return message[:_MAX_MESSAGE_LENGTH]
    if code == 599:
        return "The desk of the hub does not answer in time."
    return f"The desk of the hub does not answer as it should (status {code})."


def number(value: object) -> float | None:
    """Return a finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
