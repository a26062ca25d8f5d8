"""The desk of gpudock's hub, as a user's server may ask it."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from jupyterlab_gpudock.handlers.base import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONNECT_TIMEOUT_S, _REQUEST_TIMEOUT_S = 3.0, 8.0
_LONGEST_ANSWER = 1024 * 1024
_LONGEST_SENTENCE = 500


class DeskError(Exception):
    """The desk gave no answer that can be used.

    :param status: HTTP status of its refusal; None when it did not answer, or made no sense
    :param message: a sentence for the user
    """

    def __init__(self, status: int | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def refusal(self) -> Refusal:
        """The same as the answer of a route."""
        if self.status is None or self.status >= 500:
            return Refusal(503, "unreachable", self.message)
        if self.status in (401, 403):
            return Refusal(403, "refused", self.message)
        return Refusal(409, "not_done", self.message)


@dataclasses.dataclass(frozen=True, slots=True)
class HubEnvironment:
    """What the hub told this server when it started it. The token is a secret."""

    managed: bool
    """Whether a gpudock hub started this server."""
    lease: str | None
    """The lease's identity; None when this server was started without a GPU."""
    api_url: str | None
    token: str | None = dataclasses.field(repr=False, default=None)
    user: str | None = None
    server: str = ""
    prefix: str = "/"
    """The Hub's base address as browsers see it, with a slash at its end."""

    @property
    def hub_home(self) -> str | None:
        """The Hub's home page, where servers are started and stopped."""
        return f"{self.prefix}hub/home" if self.managed else None

    @property
    def desk(self) -> str | None:
        """The desk's pages."""
        return f"{self.prefix}services/gpudock/" if self.managed else None

    @property
    def restart_page(self) -> str | None:
        """The Hub's page that starts this very server as it was started last time.

        While the server is still ending, the page waits for that.
        """
        if not self.managed or not self.user:
            return self.hub_home
        address = f"{self.prefix}hub/spawn/{quote(self.user, safe='')}"
        if self.server:
            address = f"{address}/{quote(self.server, safe='')}"
        return f"{address}?opt-again=1"


def hub_environment(environ: Mapping[str, str]) -> HubEnvironment:
    """Read what gpudock and JupyterHub set in their containers."""

    def told(name: str) -> str | None:
        return environ.get(name, "").strip() or None

    lease, api_url = told("GPUDOCK_LEASE"), told("GPUDOCK_API_URL")
    host, base = told("JUPYTERHUB_HOST") or "", told("JUPYTERHUB_BASE_URL") or "/"
    return HubEnvironment(
        managed=lease is not None or api_url is not None,
        lease=lease,
        api_url=api_url.rstrip("/") if api_url else None,
        token=told("JUPYTERHUB_API_TOKEN"),
        user=told("JUPYTERHUB_USER"),
        server=told("JUPYTERHUB_SERVER_NAME") or "",
        prefix=f"{host}{base.rstrip('/')}/",
    )


class Desk:
    """Asks the desk's REST interface.

    :param environment: where it is, and with which token it is asked
    """

    def __init__(self, environment: HubEnvironment) -> None:
        self._environment = environment

    async def ask(self, path: str, method: str = "GET", body: object = None) -> dict[str, Any]:
        """The desk's answer, a JSON object.

        :param path: below the interface's address
        :raises DeskError: when there is none
        """
        here = self._environment
        if not here.api_url or not here.token:
            raise DeskError(None, "The hub has not told this server where its desk is.")
        content = None if body is None else json.dumps(body)
        request = HTTPRequest(
            f"{here.api_url}/{path}",
            method=method,
            headers={
                "Authorization": f"token {here.token}",
                "Accept": "application/json",
                "Content-Type": "application/json",
            },
            body=content,
            allow_nonstandard_methods=True,  # a POST without a body
            connect_timeout=_CONNECT_TIMEOUT_S,
            request_timeout=_REQUEST_TIMEOUT_S,
            follow_redirects=False,  # the token goes to the desk and to nobody else
        )
        client = AsyncHTTPClient(force_instance=True, max_body_size=_LONGEST_ANSWER)
        try:
            response = await client.fetch(request, raise_error=False)
        except (OSError, ValueError) as error:
            raise DeskError(None, f"The desk of the hub does not answer: {error}.") from error
        finally:
            client.close()
        answer = _object(response.body)
        if response.code >= 300:
            raise DeskError(_status(response.code), _sentence(answer, response.code))
        if answer is None:
            raise DeskError(None, "The desk of the hub gave an answer that makes no sense.")
        return answer


def _object(content: bytes | None) -> dict[str, Any] | None:
    try:
        answer = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _status(code: int) -> int | None:
    """The status of a refusal; 599 is tornado's own for no answer, and redirects are none."""
    return code if 400 <= code < 599 else None


def _sentence(answer: dict[str, Any] | None, code: int) -> str:
    said = (answer or {}).get("message")
    if isinstance(said, str) and said:
        return said[:_LONGEST_SENTENCE]
    if code == 599:
        return "The desk of the hub does not answer in time."
    return f"The desk of the hub does not answer as it should (status {code})."


def number(value: object) -> float | None:
    """A finite number of the desk's, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
