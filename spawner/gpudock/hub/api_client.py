"""The Hub's own REST API, as far as gpudock asks it about users and their servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_FOUND = 404
# The Hub or the proxy before it is not ready, or asks for patience; all else is an answer.
_NOT_YET = (429, 502, 503, 599)
_SECONDS = 60.0
_PAGE = 200


class HubError(Exception):
    """The Hub gave no answer, or one that cannot be used. The message says what it was."""


class HubNotReady(HubError):  # noqa: N818 - it is a state that passes
    """The Hub does not answer yet, or is busy with that very server: worth another try."""


class HubRefused(HubError):  # noqa: N818 - an answer
    """The Hub said no."""


class HubApi:
    """The Hub's REST API with the token of one service."""

    def __init__(self, url: str, token: str) -> None:
        """Prepare to talk to the Hub; nothing is sent yet.

        Args:
            url: for example ``http://127.0.0.1:8081/hub/api``.
            token: of a service whose role has the scopes ``servers`` and ``list:users``.
        """
        self._url = url.rstrip("/")
        self._token = token

    async def start_server(
        self, user: str, server: str, options: Mapping[str, object] | None = None
    ) -> None:
        """Ask the Hub to start a server; one that runs already counts as started.

        Args:
            user: whose.
            server: the server's name; empty for the default server.
            options: its spawn options; ``None``: those of its last start.

        Raises:
            HubNotReady: it is worth another try.
            HubRefused: the Hub will not.
        """
        path = f"/users/{quote(user, safe='')}/servers/{quote(server, safe='')}"
        try:
            await self._call(path, body="" if options is None else json.dumps(dict(options)))
        except HubRefused as error:
            if "already running" in str(error):
                return
            # A Hub that has just started is still looking at the servers that it knew.
            if "pending" in str(error):
                raise HubNotReady(str(error)) from error
            raise

    async def active_servers(self) -> set[tuple[str, str]]:
        """Return (user, server) of every server that runs, starts or stops, as the Hub knows it.

        Raises:
            HubError: the Hub did not say, or not completely.
        """
        active: set[tuple[str, str]] = set()
        offset = 0
        while True:
            query = urlencode({"state": "active", "offset": offset, "limit": _PAGE})
            page = await self._document(f"/users?{query}", dict)
            for user in page.get("items", ()):
                active |= {(user["name"], server) for server in user["servers"]}
            following = (page.get("_pagination") or {}).get("next")
            if following is None:
                return active
            offset = int(following["offset"])

    async def servers_of(self, user: str) -> set[str] | None:
        """Return the names of a user's active servers; ``None`` when there is no such user.

        Raises:
            HubError: the Hub did not say.
        """
        try:
            document = await self._document(f"/users/{quote(user, safe='')}", dict)
        except HubRefused as error:
            if isinstance(error.__cause__, HTTPClientError) and error.__cause__.code == _NOT_FOUND:
                return None
            raise
        return set(document["servers"])

    async def _document(self, path: str, kind: type[dict[str, Any]]) -> dict[str, Any]:
        answer = await self._call(path)
        try:
            document = json.loads(answer.body)
        except ValueError as error:
            message = f"The Hub's answer to {path} is not JSON."
            raise HubError(message) from error
        if not isinstance(document, kind):
            message = f"The Hub's answer to {path} has an unknown form."
            raise HubError(message)
        return document

    async def _call(self, path: str, body: str | None = None) -> HTTPResponse:
        request = HTTPRequest(
            self._url + path,
            method="GET" if body is None else "POST",
            headers={
                "Authorization": f"token {self._token}",
                "Content-Type": "application/json",
                "Accept": "application/jupyterhub-pagination+json",
            },
            body=body,
            request_timeout=_SECONDS,
        )
        try:
            return await AsyncHTTPClient().fetch(request)
        except HTTPClientError as error:
            said = _said(error)
            raise (HubNotReady if error.code in _NOT_YET else HubRefused)(said) from error
        except OSError as error:
            message = f"The Hub does not listen: {error}"
            raise HubNotReady(message) from error


def _said(error: HTTPClientError) -> str:
    if error.response is None:
        return str(error)
    return bytes(error.response.body or b"").decode("utf-8", "replace") or str(error)
