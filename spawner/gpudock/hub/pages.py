"""The pages and answers that the lab adds to the Hub's own.

JupyterHub has no public way to add pages that know its users and their servers, so these handlers
are put before its own, of which :class:`HomeHandler` replaces one.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from jupyterhub import handlers
from jupyterhub.handlers import BaseHandler
from jupyterhub.handlers.pages import HomeHandler as HubHomeHandler
from jupyterhub.scopes import Scope, needs_scope
from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPError

from gpudock.config.configured_groups import managers_among
from gpudock.config.navigation import Rights, links
from gpudock.config.shared_volume import READ_SCOPE, desk_prefix
from gpudock.hub.http_errors import LocalizedHTTPError
from gpudock.hub.runtime import Runtime
from gpudock.language import Message
from gpudock.language.catalog import localized, read_in
from gpudock.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jupyterhub.user import User

log = logging.getLogger(__name__)

_DESK_SECONDS = 5.0
"""How long the home page waits for the desk. One that does not run refuses at once."""

_STALE_PAGE = Message(
    "Nothing was changed, because the page is out of date: you have signed in or out since it was "
    "opened, or the browser blocks cookies. Go back, reload the page, and try again."
)


class HomeHandler(HubHomeHandler):  # type: ignore[misc]
    """The home page: the desk's "My GPUs".

    While the desk does not answer it is the Hub's own page, on which servers can be started and
    stopped as well.
    """

    @web.authenticated
    async def get(self) -> None:
        """Redirect to the desk if it answers."""
        if await self._is_desk_healthy():
            self.redirect(desk_prefix(self.base_url))
        else:
            await super().get()

    async def _is_desk_healthy(self) -> bool:
        url = Runtime.instance().config.desk_url
        if url is None:
            return False
        try:
            await AsyncHTTPClient().fetch(
                f"{url}{desk_prefix(self.base_url)}health",
                connect_timeout=_DESK_SECONDS,
                request_timeout=_DESK_SECONDS,
            )
        except (HTTPError, OSError) as error:
            log.info("The home page is the Hub's own: the desk does not answer (%s).", error)
            return False
        return True


class _JSONHandler(BaseHandler):  # type: ignore[misc]
    """Answers scripts of the lab's pages, which belong to a user who is signed in."""

    def answer(self, document: Mapping[str, Any]) -> None:
        """Send a document, which is not for caches."""
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(document))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Send the status and a sentence, instead of a page."""
        info = kwargs.get("exc_info")
        error = info[1] if info else None
        message = error.log_message if isinstance(error, web.HTTPError) else None
        if isinstance(error, LocalizedHTTPError):
            message = error.message
        self.answer({"message": localized(message or Message("The Hub failed; its log says why."))})


class OutlookHandler(_JSONHandler):
    """``GET gpudock/outlook/USER/SERVER?gpus=…``: what a start with these options would come to.

    The address follows that of the spawn page, on which user and server may be left out.
    """

    async def get(self, user_name: str | None = None, server_name: str = "") -> None:
        """Answer ``{"kind": …, "text": …}``, see :class:`~gpudock.hub.outlook.Outlook`."""
        if self.current_user is None:
            raise _signed_out()
        await self._get(user_name=user_name or self.current_user.name, server_name=server_name)

    @needs_scope("servers")  # type: ignore[untyped-decorator]
    async def _get(self, user_name: str, server_name: str) -> None:
        user = self.find_user(user_name)
        # The spawn page of a server creates it.
        if user is None or server_name not in {"", *user.orm_spawners}:
            raise LocalizedHTTPError(404, Message("There is no such server."))
        form = {
            name: [value.decode("utf-8", "replace") for value in values]
            for name, values in self.request.query_arguments.items()
        }
        try:
            outlook = user.spawners[server_name].outlook(form)
        except StoreError as error:
            log.warning("The outlook of a start is not known: %s", error)
            message = Message("The lab's database does not answer.")
            raise LocalizedHTTPError(503, message) from error
        self.answer({"kind": outlook.kind, "text": localized(outlook.text)})


class ServersHandler(_JSONHandler):
    """``GET gpudock/servers``: the servers of the user, for the page "My GPUs".

    The answer has the XSRF token for calls of the Hub's REST API, as each of its pages has it:
    pages of other origins can neither read it nor this answer.
    """

    async def get(self) -> None:
        """Answer the servers, and whether there may be more of them."""
        user = self.current_user
        if user is None:
            raise _signed_out()
        limit = await self.get_current_user_named_server_limit()
        self.answer(
            {
                "named_servers": bool(self.allow_named_servers),
                "limit": limit if limit > 0 else None,
                "servers": [
                    {"name": name, "state": _state(user, name)}
                    for name in sorted({"", *user.orm_spawners})
                ],
                "xsrf": self.xsrf_token.decode("ascii"),
            }
        )


class PendingAccountsHandler(_JSONHandler):
    """``GET gpudock/pending-accounts``: how many accounts wait for approval.

    The navigation of the desk's pages shows it to administrators, as that of the Hub's pages does.
    """

    async def get(self) -> None:
        """Answer the number; 0 in a lab without accounts of its own."""
        if self.current_user is None or not self.current_user.admin:
            message = Message("Only administrators see how many accounts wait for approval.")
            raise LocalizedHTTPError(403, message)
        self.answer({"pending": getattr(self.authenticator, "pending_accounts", 0)})


def _signed_out() -> LocalizedHTTPError:
    message = Message("You are no longer signed in. Reload the page to sign in.")
    return LocalizedHTTPError(403, message)


def _state(user: Any, name: str) -> str:
    """Return ``ready``, ``starting``, ``stopping`` or ``stopped``."""
    # What the Hub has not touched since its start is not running.
    spawner = user.spawners.get(name)
    if spawner is None or not spawner.active:
        return "stopped"
    if spawner.ready:
        return "ready"
    return "stopping" if spawner.pending == "stop" else "starting"


ROUTES = (
    (r"/home", HomeHandler),
    (r"/gpudock/outlook", OutlookHandler),
    (r"/gpudock/outlook/([^/]+)", OutlookHandler),
    (r"/gpudock/outlook/([^/]+)/([^/]+)", OutlookHandler),
    (r"/gpudock/servers", ServersHandler),
    (r"/gpudock/pending-accounts", PendingAccountsHandler),
)


def install_pages() -> None:
    """Put the lab's pages before the Hub's own, and its navigation and languages on all of them.

    The first page that matches an address answers. The setting ``template_vars`` is left to
    administrators, who set announcements with it.
    """
    handlers.default_handlers[:0] = ROUTES
    own_names = BaseHandler.template_namespace.fget

    def template_namespace(handler: BaseHandler) -> dict[str, Any]:
        return {
            "navigation": links(handler.base_url, _rights(handler)),
            "here": handler.request.path,
            **own_names(handler),
        }

    BaseHandler.template_namespace = property(template_namespace)
    own_prepare = BaseHandler.prepare

    async def prepare(handler: BaseHandler) -> None:
        read_in(handler.request.headers.get("Accept-Language", ""))
        await own_prepare(handler)

    BaseHandler.prepare = prepare
    own_headers = BaseHandler.set_default_headers

    def set_default_headers(handler: BaseHandler) -> None:
        own_headers(handler)
        # After a sign-out, a browser shows nothing of its former user when it goes back.
        handler.set_header("Cache-Control", "no-store")
        handler.set_header("Vary", "Accept-Language")

    BaseHandler.set_default_headers = set_default_headers
    own_check = BaseHandler.check_xsrf_cookie

    def check_xsrf_cookie(handler: BaseHandler) -> None:
        try:
            own_check(handler)
        except web.HTTPError as error:
            log.info("%s %s: %s", handler.request.method, handler.request.path, error)
            raise LocalizedHTTPError(error.status_code, _STALE_PAGE) from error

    BaseHandler.check_xsrf_cookie = check_xsrf_cookie


def _manages_group(user: User | None) -> bool:
    """Return whether a user was made a manager of a group at the desk, which is no scope."""
    return user is not None and any(
        managers_among([user.name], group.properties or {}) for group in user.groups
    )


def _rights(handler: BaseHandler) -> Rights:
    held = handler.parsed_scopes
    is_native = hasattr(handler.authenticator, "is_one_time_password")
    return Rights(
        reads_quotas=READ_SCOPE in held or _manages_group(handler.current_user),
        reads_lab=held.get(READ_SCOPE) == Scope.ALL,
        administers="admin-ui" in held,
        approves=is_native and "admin:users" in held,
        has_password=is_native,
    )
