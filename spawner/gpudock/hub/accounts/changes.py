"""What administrators do with accounts; each change is in the audit trail."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from jupyterhub import orm
from jupyterhub.proxy import Proxy
from jupyterhub.roles import assign_default_roles

from gpudock.hub.accounts.states import deactivations
from gpudock.hub.administrators import forget_quota, reason_to_keep
from gpudock.hub.audit import record
from gpudock.hub.http_errors import LocalizedHTTPError
from gpudock.hub.hub_api_rules import check_is_stopped, check_may_lose_rights
from gpudock.hub.runtime import Runtime
from gpudock.hub_api import HubAPI, HubError
from gpudock.language import Message
from gpudock.store import StoreError

if TYPE_CHECKING:
    from nativeauthenticator.orm import UserInfo

log = logging.getLogger(__name__)

_NOT_FOUND = 404
_CONFLICT = 409
_UNAVAILABLE = 503
_STOP_TRIES = 10


class AccountChanges:
    """Changes accounts for one request of an administrator."""

    def __init__(self, handler: Any) -> None:
        """Prepare; *handler* is that of the request."""
        self._handler = handler
        self._db = handler.db
        self._by = str(handler.current_user.name)

    def account(self, name: str) -> UserInfo:
        """Return an account.

        Raises:
            LocalizedHTTPError: there is none of that name.
        """
        found: UserInfo | None = self._handler.authenticator.get_user(name)
        if found is None:
            page = f"{self._handler.hub.base_url}authorize"
            message = Message(
                'There is no account "{name}". It may have been deleted. Reload {page}.',
                name=name,
                page=page,
            )
            raise LocalizedHTTPError(_NOT_FOUND, message)
        return found

    def approve(self, name: str) -> None:
        """Approve an account that waits for approval."""
        account = self.account(name)
        if account.is_authorized:
            return
        if name in deactivations():
            message = Message('"{name}" is deactivated. Activate the account instead.', name=name)
            raise LocalizedHTTPError(_CONFLICT, message)
        record(self._by, "account.approve", name, "pending", "active")
        self._authorize(account, True)

    def reject(self, name: str) -> None:
        """Delete an account that waits for approval."""
        account = self.account(name)
        if account.is_authorized or name in deactivations():
            message = Message(
                '"{name}" does not wait for approval any more. Reload the Accounts page.',
                name=name,
            )
            raise LocalizedHTTPError(_CONFLICT, message)
        user = self._handler.find_user(name)
        if user is not None:
            check_is_stopped(user)
        record(self._by, "account.reject", name, "pending", None)
        self._handler.authenticator.delete_user(user or _Named(name))
        if user is not None:
            self._handler.users.delete(user)

    async def activate(self, name: str) -> None:
        """Allow a deactivated account to sign in again."""
        account = self.account(name)
        if account.is_authorized:
            return
        self._mark(name, deactivated=False)
        self._authorize(account, True)
        user = self._handler.find_user(name)
        for server, spawner in user.spawners.items() if user is not None else ():
            if spawner.ready:
                await self._handler.proxy.add_user(user, server)

    async def deactivate(self, name: str, *, stop: bool) -> None:
        """End all access of an account, at once.

        Requests that wait for a GPU leave the queue. What runs is stopped, or continues without
        anybody who could reach it until its session ends.

        Args:
            name: the account.
            stop: whether running servers are stopped.
        """
        self.check_may_leave(name)
        account = self.account(name)
        if account.is_authorized or name not in deactivations():
            self._mark(name, deactivated=True)
            self._authorize(account, False)
        user = self._handler.find_user(name)
        if user is None:
            return
        self._end_access(user)
        active = [(server, spawner) for server, spawner in user.spawners.items() if spawner.active]
        for server, _ in active:
            await self._handler.proxy.delete_user(user, server)
        ending = [server for server, spawner in active if stop or not spawner.ready]
        await asyncio.gather(*(self._stop(user, server) for server in ending))

    def set_admin(self, name: str, *, admin: bool) -> None:
        """Make an account an administrator, or an ordinary user."""
        if not self.account(name).is_authorized and admin:
            message = Message(
                '"{name}" cannot sign in. Approve or activate the account first.', name=name
            )
            raise LocalizedHTTPError(_CONFLICT, message)
        if not admin:
            check_may_lose_rights(self._handler, name)
        user = self._handler.find_user(name) or self._handler.user_from_username(name)
        if user.admin is admin:
            return
        record(self._by, "account.admin", name, bool(user.admin), admin)
        user.admin = admin
        assign_default_roles(self._db, entity=user.orm_user)
        self._db.commit()

    async def delete(self, name: str) -> None:
        """Delete an account and its quota; its servers must be stopped. The workspace stays."""
        self.check_may_leave(name)
        account = self.account(name)
        user = self._handler.find_user(name)
        if user is not None:
            check_is_stopped(user)
        was = "active" if account.is_authorized else "deactivated"
        record(self._by, "account.delete", name, was, None)
        forget_quota(self._by, name)
        self._handler.authenticator.delete_user(user or _Named(name))
        if user is not None:
            await user.delete_spawners()
            self._handler.users.delete(user)

    def check_may_leave(self, name: str) -> None:
        """Check that an account may be deactivated or deleted.

        Raises:
            LocalizedHTTPError: it is one's own, or that of the last or a configured administrator.
        """
        if name == self._by:
            message = Message("This is your own account. Ask another administrator to do this.")
            raise LocalizedHTTPError(_CONFLICT, message)
        reason = reason_to_keep(self._handler, name)
        if reason is not None:
            raise LocalizedHTTPError(_CONFLICT, reason)

    def _authorize(self, account: UserInfo, authorized: bool) -> None:
        account.is_authorized = authorized
        self._db.commit()

    def _mark(self, name: str, *, deactivated: bool) -> None:
        """Keep that an account is deactivated, or is not any more, and who did it."""
        what = "account.deactivate" if deactivated else "account.activate"
        states = ("active", "deactivated")
        try:
            with Runtime.instance().store.transaction() as transaction:
                if deactivated:
                    transaction.deactivated.add(name, self._by)
                else:
                    transaction.deactivated.remove(name)
                before, after = states if deactivated else states[::-1]
                transaction.audit.record(self._by, what, name, before, after)
        except StoreError as error:
            message = Message(
                "Nothing was changed: the lab's database does not answer. Try again in a moment."
            )
            raise LocalizedHTTPError(_UNAVAILABLE, message) from error

    def _end_access(self, user: Any) -> None:
        """Delete all tokens and sessions of a user, but the tokens of running servers.

        With those a server reports to the Hub that it is in use. The Hub accepts them for nothing
        that its user could do: it asks :meth:`GPUDockAuthenticator.refresh_user` first, which is
        asked again at once.
        """
        kept = {
            found.id
            for spawner in user.spawners.values()
            if (found := orm.APIToken.find(self._db, spawner.api_token)) is not None
        }
        user.orm_user.cookie_id = orm.new_token()
        for token in [*user.orm_user.api_tokens, *user.orm_user.oauth_codes]:
            if isinstance(token, orm.OAuthCode) or token.id not in kept:
                self._db.delete(token)
        self._db.commit()
        user._auth_refreshed = None  # noqa: SLF001  the Hub has no other way to ask again

    async def _stop(self, user: Any, server: str) -> None:
        """Stop a server as the Hub's API does, which can also interrupt a start."""
        config = Runtime.instance().config
        hub = HubAPI(str(config.hub_api_url), str(config.hub_api_token))
        try:
            for _ in range(_STOP_TRIES):
                try:
                    await hub.stop_server(user.name, server)
                except HubError as error:
                    # So the Hub answers if a start takes more than a second to stop.
                    log.info("Stopping a server of %s again: %s", user.name, error)
                    await asyncio.sleep(1)
                else:
                    return
            log.warning('The server "%s" of %s could not be stopped.', server, user.name)
        finally:
            hub.close()


class _Named:
    """A user whom only NativeAuthenticator knows."""

    def __init__(self, name: str) -> None:
        self.name = name


def withhold_routes_of_deactivated() -> None:
    """Keep the Hub from leading anybody to the servers of deactivated accounts.

    A running server asks the Hub only every few minutes whether a browser is still signed in, and
    the Hub adds missing routes of running servers by itself.
    """
    add_user = Proxy.add_user

    async def add_active_user(proxy: Proxy, user: Any, server_name: str = "") -> None:
        can_sign_in = getattr(proxy.app.authenticator, "can_sign_in", lambda _name: True)
        if can_sign_in(user.name):
            await add_user(proxy, user, server_name)

    Proxy.add_user = add_active_user
