"""The client of the Hub's REST API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from gpudock.hub_api.errors import HubError, HubRejectedError, HubUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_NOT_FOUND = 404
# The Hub, or the proxy before it, is not ready or asks to wait; 599 is tornado's for no answer.
_UNAVAILABLE = (429, 502, 503, 504, 599)
_PAGE_SIZE = 200
_MAX_BODY_BYTES = 64 * 2**20
_MAX_CONNECTIONS = 50


@dataclass(frozen=True, slots=True)
class HubUser:
    """A user of the Hub.

    Attributes:
        name: the user's name.
        groups: the user's groups, sorted.
    """

    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HubGroup:
    """A group of the Hub.

    Attributes:
        name: the group's name.
        users: the names of its members, sorted.
        properties: what is stored with it; JSON.
    """

    name: str
    users: tuple[str, ...]
    properties: Mapping[str, Any]


class HubAPI:
    """The Hub's REST API with the token of one service.

    Every method raises :class:`HubUnavailableError` when the Hub does not answer, and
    :class:`HubRejectedError` for an error status with no other meaning.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        connect_timeout: float = 20.0,
        request_timeout: float = 60.0,
    ) -> None:
        """Prepare the client in a running event loop; nothing is sent yet.

        Args:
            url: for example ``http://127.0.0.1:8081/hub/api``.
            token: the service's token.
            connect_timeout: seconds.
            request_timeout: seconds, the connection included.
        """
        self.url = url.rstrip("/")
        self._token = token
        self._connect_timeout = connect_timeout
        self._request_timeout = request_timeout
        self._http = SimpleAsyncHTTPClient(
            force_instance=True, max_clients=_MAX_CONNECTIONS, max_body_size=_MAX_BODY_BYTES
        )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    async def owner_of(self, token: str) -> dict[str, Any] | None:
        """Return the Hub's model of the owner of *token*; ``None`` if the Hub rejects the token."""
        try:
            return await self._object("/user", token=token)
        except HubRejectedError:
            return None

    async def users(self) -> list[HubUser]:
        """Return all users."""
        return [_user(model) async for model in self._pages("/users")]

    async def user(self, name: str) -> HubUser | None:
        """Return a user; ``None`` when there is none of that name."""
        model = await self._user_model(name)
        return None if model is None else _user(model)

    async def groups(self) -> list[HubGroup]:
        """Return all groups. Without the scope ``read:groups`` they have names only."""
        return [_group(model) async for model in self._pages("/groups")]

    async def group(self, name: str) -> HubGroup | None:
        """Return a group; ``None`` when there is none of that name."""
        try:
            return _group(await self._object(_group_path(name)))
        except HubRejectedError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    async def create_group(self, name: str) -> None:
        """Create a group without members."""
        await self._request("POST", _group_path(name), body="{}")

    async def delete_group(self, name: str) -> None:
        """Delete a group; its members stay users."""
        await self._request("DELETE", _group_path(name))

    async def add_to_group(self, name: str, user: str) -> None:
        """Make a user a member of a group."""
        body = json.dumps({"users": [user]})
        await self._request("POST", f"{_group_path(name)}/users", body=body)

    async def remove_from_group(self, name: str, user: str) -> None:
        """End a user's membership of a group."""
        body = json.dumps({"users": [user]})
        await self._request("DELETE", f"{_group_path(name)}/users", body=body)

    async def set_group_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        """Replace what is stored with a group."""
        body = json.dumps(dict(properties))
        await self._request("PUT", f"{_group_path(name)}/properties", body=body)

    async def active_servers(self) -> set[tuple[str, str]]:
        """Return (user, server) of every server that runs, starts or stops."""
        return {
            (model["name"], server)
            async for model in self._pages("/users", state="active")
            for server in model["servers"]
        }

    async def servers_of(self, user: str) -> set[str] | None:
        """Return the names of a user's active servers; ``None`` when there is no such user."""
        model = await self._user_model(user)
        return None if model is None else set(model["servers"])

    async def start_server(
        self, user: str, server: str, options: Mapping[str, object] | None = None
    ) -> None:
        """Start a server; one that runs already counts as started.

        Args:
            user: its user.
            server: its name; empty for the default server.
            options: its spawn options; ``None``: those of its last start.
        """
        body = "" if options is None else json.dumps(dict(options))
        try:
            await self._request("POST", _server_path(user, server), body=body)
        except HubRejectedError as error:
            if "already running" in str(error):
                return
            # A Hub that has just started is still checking the servers that it knew.
            if "pending" in str(error):
                raise HubUnavailableError(str(error)) from error
            raise

    async def stop_server(self, user: str, server: str) -> None:
        """Stop a server, also one that still starts. It may still run when this returns."""
        await self._request("DELETE", _server_path(user, server))

    async def _user_model(self, name: str) -> dict[str, Any] | None:
        try:
            return await self._object(f"/users/{quote(name, safe='')}")
        except HubRejectedError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    async def _pages(self, path: str, **query: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the items of all pages."""
        offset: int | None = 0
        while offset is not None:
            parameters = urlencode({**query, "offset": offset, "limit": _PAGE_SIZE})
            page = await self._object(f"{path}?{parameters}")
            try:
                items, following = page["items"], page["_pagination"]["next"]
            except (KeyError, TypeError) as error:
                raise HubError(f"The Hub's answer to {path} is not a page.") from error
            for model in items:
                yield model
            offset = None if following is None else int(following["offset"])

    async def _object(self, path: str, *, token: str | None = None) -> dict[str, Any]:
        body = await self._request("GET", path, token=token)
        try:
            document = json.loads(body)
        except ValueError as error:
            raise HubError(f"The Hub's answer to {path} is not JSON.") from error
        if not isinstance(document, dict):
            raise HubError(f"The Hub's answer to {path} is not an object.")
        return document

    async def _request(
        self, method: str, path: str, *, token: str | None = None, body: str | None = None
    ) -> bytes:
        request = HTTPRequest(
            self.url + path,
            method=method,
            headers={
                "Authorization": f"token {token or self._token}",
                "Content-Type": "application/json",
                "Accept": "application/jupyterhub-pagination+json",
            },
            body=body,
            allow_nonstandard_methods=True,  # a DELETE with a body
            follow_redirects=False,
            connect_timeout=self._connect_timeout,
            request_timeout=self._request_timeout,
        )
        try:
            response = await self._http.fetch(request, raise_error=False)
        except (HTTPClientError, OSError) as error:
            raise HubUnavailableError(f"The Hub does not answer: {error}") from error
        content = bytes(response.body or b"")
        # A 500 means a failed spawn when a server was to start, and says nothing otherwise.
        failed = response.code >= 500 and method != "POST"
        if response.code >= 300:
            message = content.decode("utf-8", "replace") or f"HTTP {response.code}"
            if failed or response.code in _UNAVAILABLE:
                raise HubUnavailableError(message)
            raise HubRejectedError(response.code, message)
        return content


def _server_path(user: str, server: str) -> str:
    return f"/users/{quote(user, safe='')}/servers/{quote(server, safe='')}"


def _user(model: Mapping[str, Any]) -> HubUser:
    return HubUser(str(model["name"]), tuple(sorted(map(str, model.get("groups") or ()))))


def _group_path(name: str) -> str:
    return f"/groups/{quote(name, safe='')}"


def _group(model: Mapping[str, Any]) -> HubGroup:
    return HubGroup(
        str(model["name"]),
        tuple(sorted(map(str, model.get("users") or ()))),
        dict(model.get("properties") or {}),
    )
