"""Accounts of a lab that has no identity provider: NativeAuthenticator, with a first administrator.

A fresh lab must have an administrator, and must not have a default password. So the first start
makes a random password and keeps it in a file that only the hub can read. It is good for signing in
until the administrator has chosen another one, which is the first page they are led to; the file
is deleted then.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path
from typing import Any

from jupyterhub.handlers.login import LoginHandler
from nativeauthenticator import NativeAuthenticator
from nativeauthenticator.handlers import (
    DiscardHandler,
    SignUpHandler,
    ToggleAuthorizationHandler,
)
from nativeauthenticator.handlers import LoginHandler as NativeLoginHandler
from tornado import web
from traitlets import Unicode

_ONE_TIME_PASSWORD_BYTES = 15
_HTTP_FORBIDDEN = 403


class GPUDockAuthenticator(NativeAuthenticator):
    """NativeAuthenticator whose first administrator needs no default password."""

    first_admin = Unicode(
        "admin",
        config=True,
        help="""Name of the administrator whose account a fresh lab makes.""",
    )

    first_admin_password = Unicode(
        config=True,
        help="""
        Password of that account. Empty makes a one-time password and keeps it in
        ``one_time_password_file`` until the administrator has chosen another one.
        """,
    )

    one_time_password_file = Unicode(
        "admin-password",
        config=True,
        help="""Where the one-time password is kept, readable by the hub alone.""",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make the first administrator's account where it does not exist yet."""
        super().__init__(*args, **kwargs)
        self._ensure_first_admin()

    def _ensure_first_admin(self) -> None:
        if self.user_exists(self.first_admin):
            return
        file = Path(self.one_time_password_file)
        password = self.first_admin_password
        if not password:
            password = secrets.token_urlsafe(_ONE_TIME_PASSWORD_BYTES)
            file.unlink(missing_ok=True)
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as output:
                output.write(password + "\n")
            self.log.warning(
                "A one-time password for «%s» is in %s.", self.first_admin, file.absolute()
            )
        if self.create_user(self.first_admin, password, is_authorized=True) is None:
            message = (
                f"The account of the administrator «{self.first_admin}» could not be made. "
                "Check GPUDOCK_ADMIN (lower-case letters, digits, dots, dashes and underscores) "
                f"and GPUDOCK_ADMIN_PASSWORD (at least {self.minimum_password_length} characters, "
                "and not a common one)."
            )
            raise ValueError(message)

    def is_one_time_password(self, username: str, password: str) -> bool:
        """Tell whether this is the one-time password that a fresh lab made."""
        file = Path(self.one_time_password_file)
        if self.normalize_username(username) != self.first_admin or not file.exists():
            return False
        return hmac.compare_digest(file.read_text().strip().encode(), password.encode())

    def change_password(self, username: str, new_password: str) -> bool | None:
        """Set a new password; a new one of the first administrator ends the one-time password."""
        changed: bool | None = super().change_password(username, new_password)
        if changed and self.normalize_username(username) == self.first_admin:
            Path(self.one_time_password_file).unlink(missing_ok=True)
        return changed

    def get_handlers(self, app: Any) -> list[tuple[Any, ...]]:
        """Return the account pages, with our own in the place of some of them."""
        ours = {
            NativeLoginHandler: _LoginHandler,
            SignUpHandler: _SignUpHandler,
            ToggleAuthorizationHandler: _ToggleAuthorizationHandler,
            DiscardHandler: _DiscardHandler,
        }
        return [(path, ours.get(page, page)) for path, page in super().get_handlers(app)]


class _LoginHandler(LoginHandler):
    """The Hub's own sign-in page (NativeAuthenticator's does not work with JupyterHub 6).

    Whoever came in with the one-time password is led to change it, and whoever waits for an
    administrator is told so.
    """

    def _render(self, login_error: str | None = None, **namespace: Any) -> Any:
        password = self.get_body_argument("password", "", strip=False)
        if login_error and password:
            account = self.authenticator.get_user(self.get_body_argument("username", ""))
            if account and not account.is_authorized and account.is_valid_password(password):
                login_error = "An administrator has not let you in yet. Ask one, and try again."
        return super()._render(login_error=login_error, **namespace)

    def get_next_url(self, user: Any = None, default: Any = None) -> str:
        password = self.get_body_argument("password", "", strip=False)
        if user is not None and self.authenticator.is_one_time_password(user.name, password):
            return f"{self.hub.base_url}change-password"
        return str(super().get_next_url(user, default))


class _SignUpHandler(SignUpHandler):
    """The sign-up page; a refusal says what was wrong: the user name or the password."""

    def render_template(self, name: str, **namespace: Any) -> Any:
        given = self.get_body_argument("username", "")
        least = self.authenticator.minimum_password_length
        return super().render_template(
            name, **{"username": given, "minimum_password_length": least, **namespace}
        )

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
        elif user is not None and not user.is_authorized and not user.login_email_sent:
            return "alert-info", "You can sign in as soon as an administrator has let you in."
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
        least = self.authenticator.minimum_password_length
        if not self.authenticator.validate_username(name):
            # In words, what jupyterhub_config.py sets as username_pattern.
            return (
                "A user name has 1 to 64 characters: lower-case letters without accents, digits, "
                "and . _ @ + - but not as the first. Choose another name."
            )
        if taken:
            return f"The username «{name}» is taken. Choose another one."
        if not confirmed:
            return "The two passwords differ. Enter the same one twice."
        if len(password) < least:
            return f"The password is too short. Use at least {least} characters."
        if not self.authenticator.is_password_strong(password):
            return "The password is a common one, which others would guess. Choose another one."
        return None


class _FromOwnPagesOnly:
    """Refuses a request that another site's page made the browser send.

    NativeAuthenticator changes accounts on GET, which the Hub's XSRF check does not cover; every
    current browser says in ``Sec-Fetch-Site`` where a request comes from.
    """

    async def prepare(self) -> None:
        request = self.request  # type: ignore[attr-defined]
        origin = request.headers.get("Sec-Fetch-Site", "")
        # Browsers leave the header out where the lab is at a plain http:// address; the Hub's XSRF
        # check, which every POST passes, does not depend on it.
        if request.method == "GET" and origin not in ("same-origin", "none"):
            message = "Accounts can only be changed from the lab's own pages. Open /hub/authorize."
            raise web.HTTPError(_HTTP_FORBIDDEN, message)
        await super().prepare()  # type: ignore[misc]


class _ToggleAuthorizationHandler(_FromOwnPagesOnly, ToggleAuthorizationHandler):
    """Lets a user in, or shuts one out."""

    post = ToggleAuthorizationHandler.get


class _DiscardHandler(_FromOwnPagesOnly, DiscardHandler):
    """Discards a request for an account."""

    post = DiscardHandler.get
