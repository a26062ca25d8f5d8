"""The account pages: the Hub's own sign-in page, and NativeAuthenticator's pages made safe."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from jupyterhub.handlers.login import LoginHandler
from nativeauthenticator.handlers import (
    AuthorizationAreaHandler,
    ChangePasswordAdminHandler,
    ChangePasswordHandler,
    DiscardHandler,
    EmailAuthorizationHandler,
    SignUpHandler,
    ToggleAuthorizationHandler,
)
from nativeauthenticator.handlers import LoginHandler as NativeLoginHandler
from tornado import web

from gpudock.hub.accounts.account_pages import AccountsHandler, ApproveHandler, RejectHandler
from gpudock.hub.accounts.password_pages import (
    OwnPasswordHandler,
    PasswordOfUserHandler,
    password_problem,
    wanted_page,
)
from gpudock.hub.accounts.states import is_deactivated
from gpudock.hub.http_errors import LocalizedHTTPError
from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORBIDDEN = 403
_NOT_FOUND = 404
_RECAPTCHA = "g-recaptcha-response"
_RECAPTCHA_SECONDS = 10


class _LoginHandler(LoginHandler):
    """The Hub's own sign-in page (NativeAuthenticator's does not work with JupyterHub 6).

    After a sign-in with the one-time password, the next page is the one to change it, which then
    leads on to the page that was wanted.
    """

    def get_next_url(self, user: Any = None, default: Any = None) -> str:
        password = self.get_body_argument("password", "", strip=False)
        if user is not None and self.authenticator.is_one_time_password(user.name, password):
            page = f"{self.hub.base_url}change-password"
            wanted = wanted_page(self)
            return f"{page}?next={quote(wanted, safe='')}" if wanted else page
        return str(super().get_next_url(user, default))


class _SignUpHandler(SignUpHandler):
    """The sign-up page, whose errors name what is wrong: the user name or the password."""

    def render_template(self, name: str, **namespace: Any) -> Any:
        given = self.get_body_argument("username", "")
        least = self.authenticator.minimum_password_length
        return super().render_template(
            name, **{"username": given, "minimum_password_length": least, **namespace}
        )

    async def post(self) -> None:
        """Create an account, without blocking the hub as NativeAuthenticator does."""
        authenticator = self.authenticator
        if not authenticator.enable_signup:
            raise web.HTTPError(_NOT_FOUND)
        human = not authenticator.recaptcha_key or await asyncio.to_thread(
            _is_human, authenticator.recaptcha_secret, self.get_body_argument(_RECAPTCHA)
        )
        # As at the sign-in: keyboards of phones add a space after a word.
        name = self.get_body_argument("username")
        password = self.get_body_argument("signup_password", strip=False)
        confirmed = password == self.get_body_argument("signup_password_confirmation", strip=False)
        taken = authenticator.user_exists(name)
        account = None
        if human and confirmed and not taken:
            account = await authenticator.sign_up(
                self,
                name,
                password,
                email=self.get_body_argument("email", "", strip=False),
                has_2fa=bool(self.get_body_argument("2fa", "", strip=False)),
            )
        is_admin = name in authenticator.admin_users
        alert, message = self.get_result_message(account, human, taken, confirmed, is_admin)
        html = await self.render_template(
            "signup.html",
            ask_email=authenticator.ask_email_on_signup,
            result_message=message,
            alert=alert,
            two_factor_auth=authenticator.allow_2fa,
            two_factor_auth_user=account.has_2fa if account else "",
            two_factor_auth_value=account.otp_secret if account else "",
            recaptcha_key=authenticator.recaptcha_key,
            tos=authenticator.tos,
        )
        self.finish(html)

    def get_result_message(
        self,
        user: Any,
        assume_user_is_human: bool,
        username_already_taken: bool,
        confirmation_matches: bool,
        user_is_admin: bool,
    ) -> tuple[str, str]:
        if user is None and assume_user_is_human:
            problem = self._problem(username_already_taken, confirmation_matches)
            if problem:
                return "alert-danger", problem
            if self.get_body_argument("email", ""):
                return "alert-danger", Message(
                    "The account could not be created. Check the email address."
                )
        elif user is not None and not user.is_authorized and not user.login_email_sent:
            return "alert-info", Message(
                "You can sign in as soon as an administrator has approved you."
            )
        found: tuple[str, str] = super().get_result_message(
            user,
            assume_user_is_human,
            username_already_taken,
            confirmation_matches,
            user_is_admin,
        )
        return found

    def _problem(self, taken: bool, confirmed: bool) -> str | None:
        name = self.authenticator.normalize_username(self.get_body_argument("username", ""))
        password = self.get_body_argument("signup_password", "", strip=False)
        if not self.authenticator.validate_username(name):
            # Describes username_pattern in jupyterhub_config.py.
            return Message(
                "A user name has 1 to 64 characters: unaccented lower-case letters, digits, and "
                ". _ @ + - but not as the first. Choose another name."
            )
        if taken:
            return Message('The user name "{name}" is taken. Choose another one.', name=name)
        if name in self.authenticator.admin_users:
            return Message(
                'The user name "{name}" is not available. Choose another one.', name=name
            )
        if self.authenticator.too_many_waiting():
            return Message(
                "Too many accounts wait for approval. Ask an administrator, and try again later."
            )
        if not confirmed:
            return Message("The passwords do not match. Enter the same password twice.")
        return password_problem(self.authenticator, password)


class _ConfirmHandler(EmailAuthorizationHandler):
    """The link in an e-mail by which users approve themselves, where that is configured."""

    async def get(self, slug: str) -> None:
        """Approve an account that waits; NativeAuthenticator would also activate others."""
        name = None
        if self.authenticator.allow_self_approval_for:
            with contextlib.suppress(ValueError):  # reported below
                name = self.validate_slug(slug, self.authenticator.secret_key)["username"]
        if name is not None and is_deactivated(name):
            message = Message(
                "An administrator has deactivated this account. Ask one to activate it."
            )
            raise LocalizedHTTPError(_FORBIDDEN, message)
        account = self.authenticator.get_user(name) if name is not None else None
        if account is None:
            message = Message("This link is not valid, or has expired.")
        elif account.is_authorized:
            message = Message("{name} was already authorized.", name=name)
        else:
            account.is_authorized = True
            self.db.commit()
            message = Message("{name} has been authorized!", name=name)
        self.finish(await self.render_template("account_confirmed.html", message=message))


def _is_human(secret: str, answer: str) -> bool:
    """Ask Google whether a person has filled in the form."""
    data = {"secret": secret, "response": answer}
    checked = requests.post(
        "https://www.google.com/recaptcha/api/siteverify", data=data, timeout=_RECAPTCHA_SECONDS
    )
    return bool(checked.json().get("success"))


OURS: Mapping[type, type] = {
    NativeLoginHandler: _LoginHandler,
    SignUpHandler: _SignUpHandler,
    ChangePasswordHandler: OwnPasswordHandler,
    ChangePasswordAdminHandler: PasswordOfUserHandler,
    AuthorizationAreaHandler: AccountsHandler,
    ToggleAuthorizationHandler: ApproveHandler,
    DiscardHandler: RejectHandler,
    EmailAuthorizationHandler: _ConfirmHandler,
}
"""NativeAuthenticator's pages and their replacements."""
