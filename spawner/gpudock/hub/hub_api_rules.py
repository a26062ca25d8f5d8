"""What the Hub's own API does not do as the Admin page calls it.

JupyterHub's Admin page has no settings that switch its buttons off, and the Hub's own handlers come
before those of ``extra_handlers``. So the handlers of users and servers are replaced by subclasses,
which refuse what contradicts the lab's rules, in a sentence, and leave the rest to the Hub.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from jupyterhub import apihandlers, orm
from jupyterhub.apihandlers.users import (
    SpawnProgressAPIHandler,
    UserAPIHandler,
    UserListAPIHandler,
    UserServerAPIHandler,
)
from jupyterhub.app import JupyterHub
from jupyterhub.scopes import needs_scope
from jupyterhub.user import User

from gpudock.hub.administrators import forget_quota, reason_to_keep
from gpudock.hub.audit import record, record_all
from gpudock.hub.http_errors import LocalizedHTTPError
from gpudock.hub.stock_pages import stock_text
from gpudock.language import Message
from gpudock.language.catalog import localized

_BAD_REQUEST = 400
_NO_CONTENT = 204
_CONFLICT = 409
_SERVER_PATH = re.compile(r"/user/([^/]+)/")


class _UserHandler(UserAPIHandler):
    """One user: added, made an administrator, or deleted."""

    @needs_scope("admin:users")
    async def post(self, user_name: str) -> None:
        """Add a user. The Hub itself does not check the name here."""
        name = self.authenticator.normalize_username(user_name)
        if name != user_name or not self.authenticator.validate_username(name):
            message = Message(
                '"{name}" is not a valid user name here. Choose another one.', name=user_name
            )
            raise LocalizedHTTPError(_BAD_REQUEST, message)
        _check_accounts_are_elsewhere(self)
        if self.find_user(name) is None:
            record(self.current_user.name, "account.create", name, None, {})
        await super().post(name)

    @needs_scope("delete:users")
    async def delete(self, user_name: str) -> None:
        """Delete a user without active servers.

        The Hub would stop the default server, fail on others, and forget containers that it could
        not stop.
        """
        user = self.find_user(user_name)
        if user is not None and user.name != self.current_user.name:
            reason = reason_to_keep(self, user.name)
            if reason is not None:
                raise LocalizedHTTPError(_CONFLICT, reason)
            check_is_stopped(user)
            by = self.current_user.name
            record(by, "account.delete", user.name, {"admin": bool(user.admin)}, None)
            if getattr(self.authenticator, "has_accounts_page", False):
                forget_quota(by, user.name)
        await super().delete(user_name)

    @needs_scope("admin:users")
    async def patch(self, user_name: str) -> None:
        """Make a user an administrator, or an ordinary user again."""
        data = super().get_json_body()
        self._check_user_model(data)
        user = self.find_user(user_name)
        if user is not None and self.current_user.admin:
            self._check_change(user, data)
        await super().patch(user_name)

    def get_json_body(self) -> Any:
        """Return the body; without the name of a user who is to be changed, if it stays.

        JupyterHub 6.1.1 sets the name of a user to ``None`` if a change repeats the name, as each
        change by its Admin page does: ``new_name`` in ``UserAPIHandler.patch`` is set only if the
        name differs, and is assigned always. The user is lost then.
        """
        data = super().get_json_body()
        if self.request.method == "PATCH" and isinstance(data, dict):
            user = self.find_user(self.path_args[0])
            if user is not None and data.get("name") == user.name:
                return {key: value for key, value in data.items() if key != "name"}
        return data

    def _check_change(self, user: Any, data: dict[str, Any]) -> None:
        if data.get("name", user.name) != user.name:
            message = Message(
                '"{name}" cannot be renamed: GPU sessions, quotas, the workspace and the audit '
                "trail are kept under the name. Create another account instead.",
                name=user.name,
            )
            raise LocalizedHTTPError(_CONFLICT, message)
        if {"groups", "roles"} & data.keys():
            message = Message(
                "Groups are changed on the groups' pages, and roles in the configuration."
            )
            raise LocalizedHTTPError(_BAD_REQUEST, message)
        admin = data.get("admin", user.admin)
        if admin is user.admin:
            return
        if not admin:
            check_may_lose_rights(self, user.name)
        record(self.current_user.name, "account.admin", user.name, user.admin, admin)


class _UserListHandler(UserListAPIHandler):
    """All users."""

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Add users."""
        _check_accounts_are_elsewhere(self)
        data = self.get_json_body()
        given = data.get("usernames") if isinstance(data, dict) else None
        if isinstance(given, list) and all(isinstance(name, str) for name in given):
            names = [self.authenticator.normalize_username(name) for name in given]
            if all(self.authenticator.validate_username(name) for name in names):
                after = {"admin": bool(data.get("admin"))}
                new = [(name, None, after) for name in names if self.find_user(name) is None]
                record_all(self.current_user.name, "account.create", new)
        await super().post()


class _UserServerHandler(UserServerAPIHandler):
    """A user's server."""

    @needs_scope("start:servers")
    async def post(self, user_name: str, server_name: str = "") -> None:
        """Start a server.

        The Admin page's buttons start other users' servers with a GPU that nobody has chosen.
        """
        requester = self.current_user
        is_other = isinstance(requester, User) and requester.name != user_name
        if is_other and not self.get_server_json_body()["user_options"]:
            page = f"{self.hub.base_url}spawn/{user_name}" + f"/{server_name}" * bool(server_name)
            message = Message(
                "A server of another user is started on its spawn page, where image and GPUs are "
                "chosen: {page}",
                page=page,
            )
            raise LocalizedHTTPError(_CONFLICT, message)
        await super().post(user_name, server_name)


class _ProgressHandler(SpawnProgressAPIHandler):  # type: ignore[misc]
    """The messages of a start. All who follow it get the same ones, each in their own language."""

    def set_default_headers(self) -> None:
        """Ask proxies such as nginx to pass each message on at once, instead of all at the end."""
        super().set_default_headers()
        self.set_header("X-Accel-Buffering", "no")

    async def send_event(self, event: dict[str, Any]) -> None:
        """Send an event, in the language of the page that asks."""
        if "message" in event:
            event = {**event, "message": stock_text(localized(event["message"]))}
        await super().send_event(event)


def check_may_lose_rights(handler: Any, name: str) -> None:
    """Check that *name* may become an ordinary user.

    Raises:
        LocalizedHTTPError: not by themselves, and not the last administrator or a configured one.
    """
    if handler.current_user.name == name:
        message = Message(
            "You cannot remove your own administrator rights. Ask another administrator."
        )
        raise LocalizedHTTPError(_CONFLICT, message)
    reason = reason_to_keep(handler, name)
    if reason is not None:
        raise LocalizedHTTPError(_CONFLICT, reason)


def check_is_stopped(user: Any) -> None:
    """Check that a user has no active server.

    Raises:
        LocalizedHTTPError: one runs, starts, waits for a GPU, or stops.
    """
    active = [name for name, spawner in user.spawners.items() if spawner.active]
    if active:
        message = Message(
            '"{name}" has a running server. Stop it first, so that its GPU is free and nothing is '
            "lost.",
            name=user.name,
        )
        if active[0]:
            message = Message(
                '"{name}" has a running server "{server}". Stop it first, so that its GPU is free '
                "and nothing is lost.",
                name=user.name,
                server=active[0],
            )
        raise LocalizedHTTPError(_CONFLICT, message)


def _check_accounts_are_elsewhere(handler: Any) -> None:
    """Refuse users without an account where each user needs one."""
    if getattr(handler.authenticator, "has_accounts_page", False):
        page = f"{handler.hub.base_url}accounts/bulk"
        message = Message(
            "A user needs an account with a password, which the Hub cannot create here. Create "
            "accounts on the Accounts page: {page}",
            page=page,
        )
        raise LocalizedHTTPError(_CONFLICT, message)


_OURS = {
    UserAPIHandler: _UserHandler,
    UserListAPIHandler: _UserListHandler,
    UserServerAPIHandler: _UserServerHandler,
    SpawnProgressAPIHandler: _ProgressHandler,
}


def install() -> None:
    """Replace the Hub's handlers, and repair users without a name when the Hub starts."""
    apihandlers.default_handlers[:] = [
        (path, _OURS.get(handler, handler)) for path, handler in apihandlers.default_handlers
    ]
    init_users = JupyterHub.init_users

    async def repair_and_init_users(app: JupyterHub) -> None:
        repair_users_without_name(app.db, app.log)
        await init_users(app)

    JupyterHub.init_users = repair_and_init_users


def repair_users_without_name(db: Any, log: Any) -> None:
    """Give users without a name their names again, or remove them.

    A Hub without :class:`_UserHandler` has left them; see there. The name is known if the user has
    had a server, whose path and token have it. Otherwise the row belongs to nobody.
    """
    for user in db.query(orm.User).filter(orm.User.name.is_(None)).all():
        names = _names_of_servers(user)
        name = names.pop() if len(names) == 1 else None
        if name is not None and orm.User.find(db, name) is None:
            log.warning('User %i has no name. Its server shows that it is "%s".', user.id, name)
            user.name = name
        else:
            log.warning(
                "User %i has no name, and nothing shows whose it was. It is removed. If somebody "
                "is missing among the administrators, add them on the Accounts or Admin page.",
                user.id,
            )
            db.delete(user)
        db.commit()


def _names_of_servers(user: Any) -> set[str]:
    texts = [token.note or "" for token in user.api_tokens]
    texts += [spawner.server.base_url for spawner in user.orm_spawners.values() if spawner.server]
    return {unquote(found[1]) for text in texts if (found := _SERVER_PATH.search(text))}
