"""What the desk asks the Hub: who somebody is, which users there are, and to stop a server.

The answers are cached, so that the desk stays fast and outlives a short absence of the Hub.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from jupyterhub.services.auth import HubOAuth

from gpudock.desk.errors import HubUnreachableError
from gpudock.hub_api import HubError, HubRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gpudock.hub_api import HubAPI, HubUser

log = logging.getLogger(__name__)

IDENTITY_FRESH_SECONDS = 30.0
"""For how long the desk uses the Hub's answer about a token."""
USERS_FRESH_SECONDS = 5.0
"""For how long it uses the list of users; then it serves the list while it reads a new one."""
STALE_SECONDS = 900.0
"""For how long it uses either while the Hub does not answer."""

_MAX_IDENTITIES = 10_000


class HubClient:
    """The Hub with caches of identities and users.

    Every method but :meth:`stop_server` raises :class:`HubUnreachableError` when the Hub does not
    answer and no cached answer serves.
    """

    def __init__(self, api: HubAPI, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Prepare the client; nothing is sent yet.

        Args:
            api: the Hub's API with the desk's token.
            monotonic: a clock that is never set.
        """
        self.api = api
        self._monotonic = monotonic
        self._identities: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()
        self._users: dict[str, HubUser] = {}
        self._groups: tuple[str, ...] = ()
        self._read_at: float | None = None
        self._refresh: asyncio.Task[None] | None = None

    async def owner_of(self, token: str, session_id: str) -> dict[str, Any] | None:
        """Return the Hub's model of the owner of *token*; ``None``: it is not a token of this Hub.

        Args:
            token: a user's or a service's.
            session_id: the browser's session; the Hub is asked again about a new session.
        """
        key = hashlib.sha256(f"{session_id}:{token}".encode("utf-8", "replace")).hexdigest()
        now = self._monotonic()
        at, known = self._identities.get(key, (float("-inf"), None))
        if known is not None and now - at < IDENTITY_FRESH_SECONDS:
            return known
        try:
            model = await self.api.owner_of(token)
        except HubError as error:
            if known is not None and now - at < STALE_SECONDS:
                return known
            raise HubUnreachableError from error
        if model is None:
            self._identities.pop(key, None)
            return None
        self._identities[key] = (now, model)
        self._identities.move_to_end(key)
        while len(self._identities) > _MAX_IDENTITIES:
            self._identities.popitem(last=False)
        return model

    async def users(self) -> Mapping[str, HubUser]:
        """Return all users by name, from the cache."""
        await self._update()
        return self._users

    async def groups_of(self) -> dict[str, tuple[str, ...]]:
        """Return user to the user's groups, from the cache."""
        return {user.name: user.groups for user in (await self.users()).values()}

    async def groups(self) -> tuple[str, ...]:
        """Return the names of all groups, from the cache."""
        await self._update()
        return self._groups

    async def user(self, name: str) -> HubUser | None:
        """Return a user as of now; ``None`` when there is none of that name."""
        try:
            return await self.api.user(name)
        except HubRejectedError:
            return None
        except HubError as error:
            raise HubUnreachableError from error

    async def stop_server(self, user: str, server: str) -> None:
        """Ask the Hub to stop a server; it may take its time.

        A Hub that does not answer learns of the end from the lease.
        """
        try:
            await self.api.stop_server(user, server)
        except HubError as error:
            log.warning("The Hub did not stop a server of %s: %s", user, error)

    async def _update(self) -> None:
        """Read users and groups again if they are old; wait for them only if they are too old."""
        now = self._monotonic()
        if self._read_at is not None and now - self._read_at < USERS_FRESH_SECONDS:
            return
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.get_running_loop().create_task(self._read())
        if self._read_at is not None and now - self._read_at < STALE_SECONDS:
            return
        try:
            await asyncio.shield(self._refresh)
        except HubError as error:
            raise HubUnreachableError from error

    async def _read(self) -> None:
        try:
            users = await self.api.users()
            groups = await self.api.groups()
        except HubError as error:
            if self._read_at is None:
                raise
            log.warning("The users could not be read from the Hub; using the last list: %s", error)
            return
        except Exception:
            if self._read_at is None:
                raise
            # Nobody may be waiting for this task; the next request begins another one.
            log.exception("The users could not be read from the Hub; using the last list.")
            return
        self._users = {user.name: user for user in users}
        self._groups = tuple(sorted(groups))
        self._read_at = self._monotonic()


class DeskOAuth(HubOAuth):  # type: ignore[misc]
    """The Hub's sign-in for browsers and tokens, with the desk's cache."""

    client: HubClient

    def user_for_token(
        self, token: str, use_cache: bool = True, session_id: str = "", *, sync: bool = True
    ) -> Any:
        """Return an awaitable of the Hub's model of the owner of *token*."""
        return self.client.owner_of(token, session_id)
