"""Accounts of a lab that has no identity provider: NativeAuthenticator, with a first administrator.

A fresh lab must have an administrator, and must not have a default password. So the first start
makes a random password and keeps it in a file that only the hub can read. It is good for signing in
until the administrator has chosen another one, which is the first page they are led to; the file
is deleted then.
"""

from __future__ import annotations

import hmac
import math
import os
import secrets
from pathlib import Path
from typing import Any

from nativeauthenticator import NativeAuthenticator
from nativeauthenticator.orm import UserInfo
from tornado import web
from traitlets import Unicode

from gpudock.hub.accounts.guard import Guard, address_of
from gpudock.hub.accounts.pages import OURS
from gpudock.hub.accounts.passwords import LONGEST_PASSWORD, matches

_ONE_TIME_PASSWORD_BYTES = 15
_MOST_WAITING = 200
_FORBIDDEN = 403
_CONFLICT = 409
_TOO_MANY_REQUESTS = 429


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
        self._guard = Guard(self.allowed_failed_logins, self.seconds_before_next_try)
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

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str | None:
        """Check a sign-in.

        Wrong passwords are counted, see :mod:`gpudock.hub.accounts.guard`.

        Raises:
            web.HTTPError: with a sentence for whoever has to wait, or waits to be let in.
        """
        name = self.normalize_username(data["username"])
        address = address_of(handler.request, getattr(self.parent, "trusted_downstream_ips", ()))
        wait = self._guard.wait(name, address)
        if wait:
            minutes = math.ceil(wait / 60)
            message = (
                f"Too many wrong passwords. Try again in {minutes} minute{'s' * (minutes > 1)}."
            )
            raise web.HTTPError(_TOO_MANY_REQUESTS, message)
        self._guard.wrong(name, address)
        account = self.get_user(name)
        right = await matches(data["password"], account.password if account else None)
        if account is None or not right:
            return None
        if account.has_2fa and not account.is_valid_token(data.get("2fa")):
            return None
        self._guard.right(name, address)
        if not account.is_authorized:
            message = "An administrator has not let you in yet. Ask one, and try again."
            raise web.HTTPError(_FORBIDDEN, message)
        return str(name)

    async def refresh_user(self, user: Any, handler: Any = None) -> bool:
        """Let a session go on, but not that of one who was shut out since it began.

        Raises:
            web.HTTPError: the account is shut out. (The Hub would let a token pass on ``False``.)
        """
        account = self.get_user(user.name)
        if account is not None and not account.is_authorized:
            message = "An administrator has shut this account out. Ask one to let you in again."
            raise web.HTTPError(_FORBIDDEN, message)
        return True

    def create_user(self, username: str, password: str, **details: Any) -> Any:
        """Make an account; ``None`` when the name or the password is not to be had.

        Nobody becomes an administrator by signing up under the name of one.
        """
        let_in = details.get("is_authorized", False)
        if not let_in and (
            self.normalize_username(username) in self.admin_users or self.too_many_wait()
        ):
            return None
        return super().create_user(username, password, **details)

    def delete_user(self, user: Any) -> Any:
        """Delete the account of a user whom an administrator removes from the Hub.

        Raises:
            web.HTTPError: one of the user's servers runs or waits, so that the Hub would not remove
                the user; the account stays.
        """
        active = [spawner for spawner in getattr(user, "spawners", {}).values() if spawner.active]
        if active:
            message = (
                f"«{user.name}» has a server that runs, starts or waits. Stop it on the page"
                " «Admin» first, and remove the user then."
            )
            raise web.HTTPError(_CONFLICT, message)
        return super().delete_user(user)

    def too_many_wait(self) -> bool:
        """Tell whether so many wait to be let in that no more are taken."""
        waiting = self.db.query(UserInfo).filter(UserInfo.is_authorized.isnot(True))
        return bool(waiting.count() >= _MOST_WAITING)

    def is_password_strong(self, password: str) -> bool:
        """Tell whether a password is good enough, and short enough to be kept."""
        if len(password.encode()) > LONGEST_PASSWORD:
            return False
        return bool(super().is_password_strong(password))

    def get_handlers(self, app: Any) -> list[tuple[Any, ...]]:
        """Return the account pages, with our own in the place of some of them."""
        return [(path, OURS.get(page, page)) for path, page in super().get_handlers(app)]
