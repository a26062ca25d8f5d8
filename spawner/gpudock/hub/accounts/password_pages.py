"""The pages on which users and administrators change passwords."""

from __future__ import annotations

from typing import Any

from jupyterhub import orm
from nativeauthenticator.handlers import (
    ChangePasswordAdminHandler,
    ChangePasswordHandler,
    admin_users_scope,
)
from tornado import web

from gpudock.config.parsers import MAX_PASSWORD_BYTES
from gpudock.hub.audit import record
from gpudock.hub.http_errors import LocalizedHTTPError
from gpudock.language import Message

_NOT_FOUND = 404


def password_problem(authenticator: Any, password: str) -> str | None:
    """Return what is wrong with a new password, in a sentence or two; ``None``: nothing."""
    least = authenticator.minimum_password_length
    if len(password) < least:
        return Message("The password is too short. Use at least {least} characters.", least=least)
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        return Message(
            "The password is too long. Use at most {most} characters.", most=MAX_PASSWORD_BYTES
        )
    if not authenticator.is_password_strong(password):
        return Message("The password is a common one, and easy to guess. Choose another one.")
    return None


def wanted_page(handler: Any) -> str | None:
    """Return the page that a request's ``next`` wants afterwards, if it is one of this site.

    The page for passwords itself is none: somebody may sign in from it. Nor are the addresses of
    the lab and its Hub, which just lead somewhere.
    """
    hub = str(handler.hub.base_url)
    page = f"{hub}change-password"
    # Without a default the answer would depend on whether the user has a server.
    wanted = str(handler.get_next_url(default=page))
    entrances = {page, hub, hub.rstrip("/"), hub.removesuffix("hub/")}
    return None if wanted.partition("?")[0] in entrances else wanted


def end_sessions(handler: Any, user: Any) -> None:
    """End all sessions of a user in browsers; the one that this request belongs to stays.

    A user's API tokens stay too: programs have them, and the Hub's Token page lists them.
    """
    is_own = user.name == handler.current_user.name
    kept = handler.get_session_cookie() if is_own else None
    user.orm_user.cookie_id = orm.new_token()
    for item in [*user.orm_user.api_tokens, *user.orm_user.oauth_codes]:
        if item.session_id and item.session_id != kept:
            handler.db.delete(item)
    handler.db.commit()
    if is_own:
        handler.set_login_cookie(user)
        # It is derived from the sign-in, and was read when the form was checked.
        vars(handler).pop("_xsrf_token", None)


class _PasswordPage:
    """What both pages have in common."""

    async def change(self, name: str) -> str | None:
        """Set the new password of *name* from the form; return what is wrong with it."""
        handler: Any = self
        name = handler.authenticator.normalize_username(name)
        password = handler.get_body_argument("new_password", strip=False)
        if password != handler.get_body_argument("new_password_confirmation", strip=False):
            return Message("The passwords do not match. Enter the same password twice.")
        problem = password_problem(handler.authenticator, password)
        if problem is None and not await handler.authenticator.set_password(self, name, password):
            page = f"{handler.hub.base_url}authorize"
            message = Message("There is no such account. Reload {page}.", page=page)
            raise LocalizedHTTPError(_NOT_FOUND, message)
        if problem is None:
            user = handler.find_user(name)
            if user is not None:
                end_sessions(handler, user)
        return problem

    async def show(self, template: str, name: str, problem: str | None, success: str) -> None:
        """Send the page with the result."""
        handler: Any = self
        html = await handler.render_template(
            template,
            user_name=name,
            alert="alert-success" if problem is None else "alert-danger",
            result_message=success if problem is None else problem,
            wanted=wanted_page(handler),
        )
        handler.finish(html)


class OwnPasswordHandler(_PasswordPage, ChangePasswordHandler):
    """A user changes their own password. Wrong ones count as at the sign-in."""

    @web.authenticated
    async def get(self) -> None:
        """Show the form, which keeps the page that was wanted at the sign-in."""
        name = self.current_user.name
        html = await self.render_template(
            "change-password.html", user_name=name, wanted=wanted_page(self)
        )
        self.finish(html)

    @web.authenticated
    async def post(self) -> None:
        """Change the password if the form has the present one."""
        name = self.current_user.name
        present = self.get_body_argument("old_password", strip=False)
        if await self.authenticator.account_with_password(self, name, present) is None:
            problem: str | None = Message("Your current password was incorrect. Please try again.")
        else:
            problem = await self.change(name)
        success = Message(
            "Your password has been changed successfully. All other sessions have ended."
        )
        await self.show("change-password.html", name, problem, success)


class PasswordOfUserHandler(_PasswordPage, ChangePasswordAdminHandler):
    """An administrator sets the password of a user."""

    @admin_users_scope
    async def post(self, user_name: str) -> None:
        """Set the password from the form."""
        problem = await self.change(user_name)
        if problem is None:
            record(self.current_user.name, "account.password", user_name, None, "set")
        success = Message("The password of {name} has been changed successfully.", name=user_name)
        await self.show("change-password-admin.html", user_name, problem, success)
