"""Accounts of a lab without an identity provider: NativeAuthenticator, with a first administrator.

A new lab needs an administrator, but must not have a default password. So the first start creates a
random password and keeps it in a file that only the hub can read. After the first sign-in the
administrator is asked to choose another password; then the file is deleted.
"""

from __future__ import annotations

import hmac
import math
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nativeauthenticator import NativeAuthenticator
from nativeauthenticator.orm import UserInfo
from traitlets import List, Unicode

from gpudock.config.parsers import MAX_PASSWORD_BYTES
from gpudock.engine.protocol import EngineError
from gpudock.hub.accounts import states
from gpudock.hub.accounts.account_pages import ACCOUNT_PAGES
from gpudock.hub.accounts.files import AccountFiles
from gpudock.hub.accounts.guard import Allowance, Guard
from gpudock.hub.accounts.pages import OURS
from gpudock.hub.accounts.passwords import (
    BusyError,
    PasswordThreads,
    hash_password,
    is_one_time,
)
from gpudock.hub.accounts.proxies import ProxyAddresses, address_of
from gpudock.hub.http_errors import LocalizedHTTPError
from gpudock.language import Message, counted, message_of, sentences

if TYPE_CHECKING:
    from collections.abc import Callable

_ONE_TIME_PASSWORD_BYTES = 15
_MAX_WAITING = 200
_FORBIDDEN = 403
_CONFLICT = 409
_TOO_MANY_REQUESTS = 429
_UNAVAILABLE = 503
_SIGN_UPS = 100
_SIGN_UP_SECONDS = 600.0


class GPUDockAuthenticator(NativeAuthenticator):
    """NativeAuthenticator with a first administrator and no default password."""

    first_admin = Unicode(
        "admin",
        config=True,
        help="""User name of the first administrator, whose account a new lab creates.""",
    )

    first_admin_password = Unicode(
        config=True,
        help="""
        Password of the first administrator. If empty, a one-time password is created and kept in
        ``one_time_password_file`` until the administrator chooses another one.
        """,
    )

    one_time_password_file = Unicode(
        "admin-password",
        config=True,
        help="""File with the one-time password. Only the hub can read it.""",
    )

    proxy_hosts = List(
        Unicode(),
        ["localhost"],
        config=True,
        help="""
        Host names or addresses of the lab's own proxy. Only in its requests ``X-Forwarded-For``
        says where a request comes from. Users' containers reach the Hub without the proxy, and may
        send any header.
        """,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Create the first administrator's account unless it exists."""
        super().__init__(*args, **kwargs)
        self._proxies = ProxyAddresses(self.proxy_hosts)
        self._threads = PasswordThreads()
        self._sign_ups = Allowance(_SIGN_UPS, _SIGN_UP_SECONDS)
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
                'A one-time password for "%s" is in %s.', self.first_admin, file.absolute()
            )
        if self.create_user(self.first_admin, password, is_authorized=True) is None:
            message = (
                f'The account of the administrator "{self.first_admin}" could not be created. '
                "Check GPUDOCK_ADMIN (lower-case letters, digits, dots, dashes and underscores) "
                f"and GPUDOCK_ADMIN_PASSWORD (at least {self.minimum_password_length} characters, "
                "and not a common one)."
            )
            raise ValueError(message)

    has_accounts_page = True
    """Whether users have accounts of the lab, which administrators manage on the Accounts page."""

    def can_sign_in(self, name: str) -> bool:
        """Return whether an account exists, is approved, and is not deactivated."""
        account = self.get_user(name)
        return account is not None and bool(account.is_authorized)

    @property
    def pending_accounts(self) -> int:
        """How many accounts wait for approval."""
        return len(states.pending(self.db))

    def is_one_time_password(self, username: str, password: str) -> bool:
        """Return whether this right password was made by the lab, and must be changed."""
        name = self.normalize_username(username)
        if self._was_reset(name):
            return True
        if not self.has_one_time_password(name):
            return False
        file = Path(self.one_time_password_file)
        return hmac.compare_digest(file.read_text().strip().encode(), password.encode())

    def has_one_time_password(self, username: str) -> bool:
        """Return whether a user has not yet chosen a password of their own."""
        name = self.normalize_username(username)
        is_first = name == self.first_admin and Path(self.one_time_password_file).exists()
        return is_first or self._was_reset(name)

    def _was_reset(self, name: str) -> bool:
        account = self.get_user(name)
        return account is not None and is_one_time(account.password)

    async def address_of(self, handler: Any) -> str:
        """Return the address that a request came from."""
        trusted = getattr(self.parent, "trusted_downstream_ips", ())
        return address_of(handler.request, await self._proxies.get(), trusted)

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str | None:
        """Check a sign-in.

        Raises:
            LocalizedHTTPError: too many wrong passwords, too many sign-ins, or the account is not
                approved.
        """
        name = self.normalize_username(data["username"])

        def has_second_factor(account: UserInfo) -> bool:
            return not account.has_2fa or bool(account.is_valid_token(data.get("2fa")))

        account = await self.account_with_password(
            handler, name, data["password"], has_second_factor
        )
        if account is None:
            return None
        if not account.is_authorized:
            message = Message(
                "An administrator has not approved your account. Ask one, and try again."
            )
            if states.is_deactivated(name):
                message = Message(
                    "An administrator has deactivated your account. Ask one to activate it."
                )
            raise LocalizedHTTPError(_FORBIDDEN, message)
        return str(name)

    async def account_with_password(
        self,
        handler: Any,
        name: str,
        password: str,
        also: Callable[[UserInfo], bool] = lambda _account: True,
    ) -> UserInfo | None:
        """Return the account *name* if *password* is right.

        Wrong passwords are counted, see :mod:`gpudock.hub.accounts.guard`.

        Args:
            handler: of the request.
            name: the account's normalized name.
            password: its password.
            also: returns whether an account with that password is right in other respects.

        Raises:
            LocalizedHTTPError: too many wrong passwords, or too many sign-ins.
        """
        address = await self.address_of(handler)
        wait = self._guard.wait(name, address)
        if wait:
            raise _too_many(Message("Too many wrong passwords."), wait)
        self._guard.count_failure(name, address)
        account = self.get_user(name)
        hashed = account.password if account is not None else None
        try:
            right = await self._threads.check(password, hashed, name, address)
        except BusyError as error:
            self._guard.forget_attempt(name, address)
            raise _busy(error) from error
        # The account may be gone, or have another password, by now.
        account = self.get_user(name)
        if account is None or account.password != hashed or not right or not also(account):
            return None
        self._guard.count_success(name, address)
        return account

    async def set_password(self, handler: Any, name: str, password: str) -> bool:
        """Set the password of an account; return whether it was set.

        Args:
            handler: of the request.
            name: the account's name.
            password: the new password.

        Raises:
            LocalizedHTTPError: too many passwords are hashed at this moment.
        """
        name = self.normalize_username(name)
        if not self.user_exists(name) or not self.is_password_strong(password):
            return False
        return self.store_password(name, await self._hash(handler, name, password))

    async def _hash(self, handler: Any, name: str, password: str) -> bytes:
        try:
            return await self._threads.hash(password, name, await self.address_of(handler))
        except BusyError as error:
            raise _busy(error) from error

    def change_password(self, username: str, new_password: str) -> bool | None:
        """Set a new password; this blocks for some tenths of a second."""
        name = self.normalize_username(username)
        if not self.user_exists(name) or not self.is_password_strong(new_password):
            return None
        return self.store_password(name, hash_password(new_password))

    def store_password(self, name: str, hashed: bytes) -> bool:
        """Store the hash of a new password; the first administrator's ends the one-time password.

        Returns:
            Whether there is such an account.
        """
        account = self.get_user(name)
        if account is None:
            return False
        account.password = hashed
        self.db.commit()
        if name == self.first_admin:
            Path(self.one_time_password_file).unlink(missing_ok=True)
        return True

    async def refresh_user(self, user: Any, handler: Any = None) -> bool:
        """Return whether a session may continue.

        Raises:
            LocalizedHTTPError: the account is deactivated. (The Hub would accept a token after
                ``False``.)
        """
        account = self.get_user(user.name)
        if account is not None and not account.is_authorized:
            message = Message(
                "An administrator has deactivated this account. Ask one to activate it."
            )
            raise LocalizedHTTPError(_FORBIDDEN, message)
        return True

    async def sign_up(self, handler: Any, username: str, password: str, **details: Any) -> Any:
        """Create an account; return ``None`` if the name or the password is not acceptable.

        Args:
            handler: of the request.
            username: the account's name.
            password: its password.
            details: as for :meth:`create_user`.

        Raises:
            LocalizedHTTPError: too many sign-ups from this address, or at this moment.
        """
        name = self.normalize_username(username)
        if not self._accepts(name, password, details):
            return None
        address = await self.address_of(handler)
        wait = self._sign_ups.wait(address)
        if wait:
            what = Message("Too many people have signed up from your network.")
            raise _too_many(what, wait)
        self._sign_ups.take(address)
        hashed = await self._hash(handler, name, password)
        held = self._needs_no_approval(name) and await self._may_have_files(name)
        # The name may be taken by now.
        if not self._accepts(name, password, details):
            return None
        return self._add(name, hashed, details, held=held)

    def _needs_no_approval(self, name: str) -> bool:
        by_mail = bool(self.allow_self_approval_for)
        return self.open_signup or by_mail or name in self.allowed_users | self.admin_users

    async def _may_have_files(self, name: str) -> bool:
        """Return whether files of an earlier account may be waiting for this name."""
        try:
            return bool(await AccountFiles(self.parent).existing([name]))
        except EngineError as error:
            self.log.warning('The sign-up of "%s" waits for approval: %s', name, error)
            return True

    def add_account(self, name: str, hashed: bytes) -> bool:
        """Add an approved account with the hash of its password; return whether it was added."""
        if self.user_exists(name) or not self.validate_username(name):
            return False
        return self._add(name, hashed, {"is_authorized": True}) is not None

    def create_user(self, username: str, password: str, **details: Any) -> Any:
        """Create an account; return ``None`` if the name or the password is not acceptable.

        The name of an administrator is not available to people who sign up. This blocks for some
        tenths of a second.
        """
        name = self.normalize_username(username)
        if not self._accepts(name, password, details):
            return None
        return self._add(name, hash_password(password), details)

    def _accepts(self, name: str, password: str, details: dict[str, Any]) -> bool:
        approved = details.get("is_authorized", False)
        if not approved and (name in self.admin_users or self.too_many_waiting()):
            return False
        return (
            self.enable_signup
            and not self.user_exists(name)
            and self.validate_username(name)
            and self.is_password_strong(password)
        )

    def _add(self, name: str, hashed: bytes, details: dict[str, Any], *, held: bool = False) -> Any:
        """Add an account as NativeAuthenticator does, which would hash the password itself.

        One that is *held* waits for an administrator in any case.
        """
        approved = self.open_signup or name in self.allowed_users | self.admin_users
        if approved and not held:
            details = {**details, "is_authorized": True}
        try:
            account = UserInfo(username=name, password=hashed, **details)
        except AssertionError:  # the e-mail address
            return None
        if (
            self.allow_self_approval_for
            and not (approved or held)
            and re.match(self.allow_self_approval_for, account.email or "")
        ):
            self.send_approval_email(account.email, self.generate_approval_url(name))
            account.login_email_sent = True
        self.db.add(account)
        self.db.commit()
        return account

    def delete_user(self, user: Any) -> Any:
        """Delete the account of a user whom an administrator removes from the Hub.

        Raises:
            LocalizedHTTPError: the user has an active server, so the Hub would not remove the
                user; the account stays.
        """
        active = [spawner for spawner in getattr(user, "spawners", {}).values() if spawner.active]
        if active:
            message = Message(
                '"{name}" has an active server. Stop it on the Admin page first, and then remove '
                "the user.",
                name=user.name,
            )
            raise LocalizedHTTPError(_CONFLICT, message)
        states.forget(user.name)
        return super().delete_user(user)

    def too_many_waiting(self) -> bool:
        """Return whether so many accounts wait for approval that no more are accepted."""
        return self.pending_accounts >= _MAX_WAITING

    def is_password_strong(self, password: str) -> bool:
        """Return whether a password is strong enough, and not too long."""
        if len(password.encode()) > MAX_PASSWORD_BYTES:
            return False
        return bool(super().is_password_strong(password))

    def get_handlers(self, app: Any) -> list[tuple[Any, ...]]:
        """Return the account pages, some of them replaced."""
        pages = [(path, OURS.get(page, page)) for path, page in super().get_handlers(app)]
        return [*pages, *ACCOUNT_PAGES]


def _too_many(what: Message, wait: float) -> LocalizedHTTPError:
    again = counted(
        "Try again in {n} minute.", "Try again in {n} minutes.", max(1, math.ceil(wait / 60))
    )
    return LocalizedHTTPError(_TOO_MANY_REQUESTS, sentences(what, again))


def _busy(error: BusyError) -> LocalizedHTTPError:
    status = _UNAVAILABLE if error.everybody else _TOO_MANY_REQUESTS
    return LocalizedHTTPError(status, message_of(error))
