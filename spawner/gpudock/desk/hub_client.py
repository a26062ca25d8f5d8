"""What the desk asks the Hub: who somebody is, which users there are, and to stop a server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jupyterhub.services.auth import HubOAuth
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from gpudock.desk.errors import unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tornado.httpclient import HTTPResponse

log = logging.getLogger(__name__)

FRESH_SECONDS = 30.0
"""For so long the desk goes by what the Hub said of a token."""
PEOPLE_SECONDS = 5.0
"""After so long it asks the Hub anew who there is, and shows what it knows meanwhile."""
STALE_SECONDS = 900.0
"""For so long it does if the Hub does not answer."""

_REQUEST_SECONDS = 20.0
_CONNECT_SECONDS = 5.0
_MOST_IDENTITIES = 10_000
_LARGEST_ANSWER = 64 * 2**20
_SILENT = (502, 503, 504, 599)
_PAGINATION = "application/jupyterhub-pagination+json"

SILENCE = (
    "The Hub does not answer at the moment, so it cannot be told who you are or who is in the lab."
    " Sessions go on. Try again in a minute."
)


class HubSilentError(Exception):
    """The Hub cannot be asked."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user whom the Hub knows."""

    name: str
    groups: tuple[str, ...]


class HubClient:
    """The Hub's REST API, asked with the desk's own token where nothing else is said."""

    def __init__(
        self, api_url: str, token: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Make a client; nothing is asked yet.

        Args:
            api_url: for example ``http://hub:8081/hub/api``.
            token: the desk's token.
            monotonic: a clock that is never set.
        """
        self.api_url = api_url.rstrip("/")
        self._token = token
        self._monotonic = monotonic
        self._client = SimpleAsyncHTTPClient(
            force_instance=True, max_clients=50, max_body_size=_LARGEST_ANSWER
        )
        self._identities: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()
        self._people: dict[str, Person] = {}
        self._groups: tuple[str, ...] = ()
        self._people_at: float | None = None
        self._renewal: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    # Who asks.

    async def whoami(self, token: str, session_id: str) -> dict[str, Any] | None:
        """Return the Hub's model of the owner of *token*; ``None``: it is no token of this Hub.

        Args:
            token: a user's or a service's.
            session_id: of the browser's session, so that a new session is asked about anew.

        Raises:
            HubSilentError: the Hub does not answer, and has not spoken of the token lately.
        """
        key = hashlib.sha256(f"{session_id}:{token}".encode("utf-8", "replace")).hexdigest()
        now = self._monotonic()
        at, known = self._identities.get(key, (float("-inf"), None))
        if known is not None and now - at < FRESH_SECONDS:
            return known
        try:
            answer = await self._ask("GET", "/user", token=token)
        except HubSilentError:
            if known is not None and now - at < STALE_SECONDS:
                return known
            raise
        if answer.code != 200:
            self._identities.pop(key, None)
            return None
        model: dict[str, Any] = json.loads(answer.body)
        self._identities[key] = (now, model)
        self._identities.move_to_end(key)
        while len(self._identities) > _MOST_IDENTITIES:
            self._identities.popitem(last=False)
        return model

    # Who there is.

    async def people(self) -> Mapping[str, Person]:
        """Return all users by name, as the Hub told them last.

        It is asked anew in the background when that was a while ago.

        Raises:
            Refusal: the Hub is silent and has never been asked.
        """
        await self._renew()
        return self._people

    async def groups_of(self) -> dict[str, tuple[str, ...]]:
        """Return user to the groups that they are in, as :meth:`people` does the users."""
        return {person.name: person.groups for person in (await self.people()).values()}

    async def groups(self) -> tuple[str, ...]:
        """Return the names of all groups, as :meth:`people` does the users."""
        await self._renew()
        return self._groups

    async def person(self, name: str) -> Person | None:
        """Return a user as of now; ``None`` when there is none of that name.

        Raises:
            Refusal: the Hub does not answer.
        """
        try:
            answer = await self._ask("GET", f"/users/{quote(name, safe='')}")
        except HubSilentError as error:
            raise unavailable(SILENCE) from error
        if answer.code != 200:
            return None
        return _person(json.loads(answer.body))

    async def _renew(self) -> None:
        now = self._monotonic()
        if self._people_at is not None and now - self._people_at < PEOPLE_SECONDS:
            return
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.get_running_loop().create_task(self._read_people())
        if self._people_at is not None and now - self._people_at < STALE_SECONDS:
            return  # what is known serves meanwhile
        try:
            await asyncio.shield(self._renewal)
        except HubSilentError as error:
            if self._people_at is None:
                raise unavailable(SILENCE) from error

    async def _read_people(self) -> None:
        try:
            people = [_person(model) for model in await self._all("/users")]
            groups = tuple(sorted(str(model["name"]) for model in await self._all("/groups")))
        except HubSilentError:
            if self._people_at is not None:
                log.warning("The Hub does not answer; going by the users that it last told.")
                return
            raise
        self._people = {person.name: person for person in people}
        self._groups = groups
        self._people_at = self._monotonic()

    async def _all(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        offset: int | None = 0
        while offset is not None:
            answer = await self._ask("GET", f"{path}?offset={offset}&limit=200", accept=_PAGINATION)
            if answer.code != 200:
                log.error("The Hub refused to tell %s (status %s).", path, answer.code)
                raise HubSilentError
            page = json.loads(answer.body)
            found += page["items"]
            following = page["_pagination"]["next"]
            offset = None if following is None else int(following["offset"])
        return found

    # What is to be done.

    async def stop_server(self, user: str, server: str) -> None:
        """Ask the Hub to stop a server, also one that is still starting; it may take its time.

        A Hub that does not answer learns of the end by itself: the lease says it.
        """
        path = f"/users/{quote(user, safe='')}"
        path += f"/servers/{quote(server, safe='')}" if server else "/server"
        try:
            answer = await self._ask("DELETE", path)
        except HubSilentError:
            log.warning("The Hub could not be told to stop a server of %s.", user)
            return
        if answer.code >= 400 and answer.code != 404:
            log.info("The Hub did not stop a server of %s (status %s).", user, answer.code)

    async def _ask(
        self, method: str, path: str, *, token: str | None = None, accept: str = "application/json"
    ) -> HTTPResponse:
        try:
            request = HTTPRequest(
                self.api_url + path,
                method=method,
                headers={"Authorization": f"token {token or self._token}", "Accept": accept},
                connect_timeout=_CONNECT_SECONDS,
                request_timeout=_REQUEST_SECONDS,
                follow_redirects=False,
            )
            answer = await self._client.fetch(request, raise_error=False)
        except (HTTPClientError, OSError) as error:
            raise HubSilentError from error
        if answer.code in _SILENT or answer.code == 500:
            raise HubSilentError
        return answer


class DeskOAuth(HubOAuth):  # type: ignore[misc]
    """The Hub's sign-in for browsers and tokens, with the desk's patience for a silent Hub."""

    client: HubClient

    def user_for_token(
        self, token: str, use_cache: bool = True, session_id: str = "", *, sync: bool = True
    ) -> Any:
        """Return who the Hub says the owner of *token* is, as an awaitable."""
        return self.client.whoami(token, session_id)


def _person(model: Mapping[str, Any]) -> Person:
    return Person(str(model["name"]), tuple(sorted(map(str, model.get("groups") or ()))))
