"""What the desk asks the Hub: who somebody is, which users there are, and to stop a server.

The answers are cached, so that the desk stays fast and outlives a short absence of the Hub.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections import OrderedDict
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from jupyterhub.services.auth import HubOAuth

from gpudock.config.configured_groups import managers_among
from gpudock.desk.errors import ConflictError, HubUnreachableError
from gpudock.hub_api import HubError, HubRejectedError
from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from gpudock.hub_api import HubAPI, HubGroup, HubUser

log = logging.getLogger(__name__)

IDENTITY_FRESH_SECONDS = 30.0
"""For how long the desk uses the Hub's answer about a token."""
USERS_FRESH_SECONDS = 5.0
"""For how long it uses the list of users; then it serves the list while it reads a new one."""
PATIENCE_SECONDS = 10.0
"""How long a page that is opened waits for a new list; it takes longer with thousands of users."""
STALE_SECONDS = 900.0
"""For how long it uses either while the Hub does not answer."""


asks_again: ContextVar[bool] = ContextVar("asks_again", default=False)
"""Whether the Hub is asked again about a token: when a page is opened, rights may have changed."""

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
        self._groups: dict[str, HubGroup] = {}
        self._read_at: float | None = None
        self._next: asyncio.Task[None] | None = None
        self._groups_read_at: float | None = None
        self._groups_refresh: asyncio.Task[None] | None = None
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
        if known is not None and now - at < IDENTITY_FRESH_SECONDS and not asks_again.get():
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

    async def groups(self) -> Mapping[str, HubGroup]:
        """Return all groups by name, from the cache."""
        await self._update()
        return self._groups

    async def managed_by(self, user: str) -> frozenset[str]:
        """Return the groups that a user was made a manager of here, from the cache.

        Only members count: the name of a user who is gone may become another user's. The groups
        are as old as a token's rights may be, because every request needs them.

        Raises:
            HubUnreachableError: the Hub does not answer, and never has.
        """
        now = self._monotonic()
        at = self._groups_read_at
        if at is None or now - at >= IDENTITY_FRESH_SECONDS:
            if self._groups_refresh is None or self._groups_refresh.done():
                self._groups_refresh = asyncio.get_running_loop().create_task(self._read_groups())
            if at is None or now - at >= STALE_SECONDS:
                await asyncio.wait([self._groups_refresh])
        if self._groups_read_at is None:
            raise HubUnreachableError
        groups = self._groups.values()
        return frozenset(group.name for group in groups if user in managers_of(group))

    async def refresh(self) -> None:
        """Read users and groups as of now, for a page that is opened or that one comes back to.

        If that takes long, the latest list is used meanwhile.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._read_after(self._refresh))
        if self._read_at is not None:
            await asyncio.wait([self._next], timeout=PATIENCE_SECONDS)

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

    async def change_group(self, change: Awaitable[None]) -> None:
        """Make a change of a group at the Hub.

        Raises:
            ConflictError: the Hub refuses it; the message has its reason.
            HubUnreachableError: the Hub does not answer.
        """
        try:
            await change
        except HubRejectedError as error:
            refused = Message("The Hub refuses this: {reason}", reason=_reason(error))
            raise ConflictError(refused) from error
        except HubError as error:
            raise HubUnreachableError from error

    async def group(self, name: str) -> HubGroup | None:
        """Return a group as of now; ``None`` when there is none of that name."""
        try:
            return await self.api.group(name)
        except HubError as error:
            raise HubUnreachableError from error

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

    async def _read_after(self, current: asyncio.Task[None] | None) -> None:
        """Read once more after the *current* reading, which may have begun before a change."""
        if current is not None and not current.done():
            await asyncio.wait([current])
        self._next = None
        self._refresh = asyncio.get_running_loop().create_task(self._read())
        await asyncio.wait([self._refresh])

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
        self._keep_groups(groups)
        self._read_at = self._monotonic()

    async def _read_groups(self) -> None:
        try:
            self._keep_groups(await self.api.groups())
        except HubError as error:
            log.warning("The groups could not be read from the Hub: %s", error)

    def _keep_groups(self, groups: Iterable[HubGroup]) -> None:
        self._groups = {group.name: group for group in sorted(groups, key=lambda item: item.name)}
        self._groups_read_at = self._monotonic()


def managers_of(group: HubGroup) -> tuple[str, ...]:
    """Return the members of a group who were made its managers here."""
    return managers_among(group.users, group.properties)


def _reason(error: HubRejectedError) -> str:
    """Return the sentence in an error of the Hub."""
    try:
        return str(json.loads(str(error))["message"])
    except (ValueError, KeyError, TypeError):
        return str(error)


class DeskOAuth(HubOAuth):  # type: ignore[misc]
    """The Hub's sign-in for browsers and tokens, with the desk's cache."""

    client: HubClient

    def user_for_token(
        self, token: str, use_cache: bool = True, session_id: str = "", *, sync: bool = True
    ) -> Any:
        """Return an awaitable of the Hub's model of the owner of *token*."""
        return self.client.owner_of(token, session_id)
