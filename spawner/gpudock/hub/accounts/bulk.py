"""The page on which many accounts are created, or get new passwords, at once."""

from __future__ import annotations

import asyncio
import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from jupyterhub.handlers.base import BaseHandler
from nativeauthenticator.handlers import admin_users_scope

from gpudock.engine.protocol import EngineError
from gpudock.hub.accounts.files import AccountFiles
from gpudock.hub.accounts.password_pages import end_sessions
from gpudock.hub.accounts.passwords import new_one_time_password
from gpudock.hub.accounts.states import deactivations
from gpudock.hub.audit import record
from gpudock.hub.http_errors import LocalizedHTTPError
from gpudock.language import Message, message_of
from gpudock.policy.csv_file import DELIMITERS, CSVFileError, declared_delimiter, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_NAMES = 300
"""How many accounts are changed at once; each password takes a quarter of a second."""

_BAD_REQUEST = 400
_CONFLICT = 409
_UNAVAILABLE = 503
_HEADINGS = {
    *("name", "names", "user", "users", "username", "user name", "user_name", "login"),
    *("benutzer", "benutzername", "nutzername", "kennung", "utilisateur", "usuario", "utente"),
    *("用户", "用户名", "姓名", "账户", "账号", "帐号"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One name of a list, and what would happen.

    Attributes:
        name: the name.
        outcome: what happens, or why nothing does.
        changes: whether anything happens.
    """

    name: str
    outcome: str
    changes: bool


@dataclass(frozen=True, slots=True)
class _Work:
    """The change that is being made.

    Attributes:
        by: the administrator who asked for it.
        action: ``create`` or ``reset``.
        names: the accounts that are changed.
        made: the names and passwords of those that were changed, once it is done.
    """

    by: str
    action: str
    names: tuple[str, ...]
    made: asyncio.Task[list[tuple[str, str]]]


def names_in(text: str) -> list[str]:
    """Return the names in a pasted list or CSV file, each once, in order.

    Of several lines only the first column counts. One line may have all names.

    Raises:
        CSVFileError: a quotation mark is not closed.
    """
    declared, text = declared_delimiter(text.removeprefix("\ufeff"))
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    reader = csv.reader(lines, delimiter=declared or max(DELIMITERS, key=lines[0].count))
    try:
        rows = [row for row in reader if row]
    except csv.Error as error:
        message = Message("The list cannot be read. Check its quotation marks.")
        raise CSVFileError(message) from error
    cells = rows[0] if len(rows) == 1 else [row[0] for row in rows]
    if len(rows) == 1 and len(cells) == 1:
        cells = cells[0].split()
    names = [cell.strip() for cell in cells]
    if names and names[0].lower() in _HEADINGS:
        names = names[1:]
    return list(dict.fromkeys(name for name in names if name))


class BulkHandler(BaseHandler):
    """Creates many accounts, or gives many a new one-time password.

    One list is worked on at a time. Each password is shown once, so a list that is sent again
    meanwhile, by a double click or a reload, is answered with the passwords of the first time.
    """

    _work: ClassVar[_Work | None] = None

    @admin_users_scope
    async def get(self) -> None:
        """Show the form."""
        await self._show(text="", action=self.get_argument("action", "create"))

    @admin_users_scope
    async def post(self) -> None:
        """Show what would happen or, once that is confirmed, make it happen."""
        action = self.get_body_argument("action")
        if action not in ("create", "reset"):
            message = Message("Choose whether to create accounts or passwords.")
            raise LocalizedHTTPError(_BAD_REQUEST, message)
        text = self.get_body_argument("names", "")
        names: list[str] = []
        try:
            # Each may have a heading, and a delimiter of its own.
            found = names_in(text)
            for file in self.request.files.get("file", ()):
                found += names_in(decode(file["body"]))
        except CSVFileError as error:
            problem: str | None = _problem_of(error)
        else:
            names = list(dict.fromkeys(map(self.authenticator.normalize_username, found)))
            problem = _problem_with(names)
        if problem is not None:
            await self._show(text=text, action=action, problem=problem)
            return
        if self.get_body_argument("confirmed", "") != "yes":
            rows = await self._rows(action, names)
            await self._show(text="\n".join(names), action=action, rows=rows)
            return
        made = await self._made(action, tuple(names))
        self.set_header("Cache-Control", "no-store")
        await self._show(text="", action=action, made=made)

    async def _rows(self, action: str, names: Sequence[str]) -> list[Row]:
        if action == "reset":
            return [self._reset_row(name) for name in names]
        new = [name for name in names if self._reason_not_to_create(name) is None]
        try:
            with_files = await AccountFiles(self.app).existing(new)
        except EngineError as error:
            message = Message(
                "Nothing was changed: it is not known whose files would be given away. {error}",
                error=message_of(error),
            )
            raise LocalizedHTTPError(_UNAVAILABLE, message) from error
        return [self._creation_row(name, name in with_files) for name in names]

    def _creation_row(self, name: str, has_files: bool) -> Row:
        reason = self._reason_not_to_create(name)
        if reason is not None:
            return Row(name, reason, changes=False)
        if has_files:
            outcome = Message(
                "Not created: the workspace of an earlier account with this name exists. If it is "
                "the same person, let them sign up, and approve them with these files."
            )
            return Row(name, outcome, changes=False)
        return Row(name, Message("New account"), changes=True)

    def _reason_not_to_create(self, name: str) -> str | None:
        account = self.authenticator.get_user(name)
        if account is None:
            valid = self.authenticator.validate_username(name)
            return None if valid else Message("Not a valid user name")
        if account.is_authorized:
            return Message("Exists already")
        if name in deactivations():
            return Message("Deactivated")
        return Message("Waits for approval: approve it")

    def _reset_row(self, name: str) -> Row:
        if name == self.current_user.name:
            outcome = Message("Your own: change it on the Password page")
            return Row(name, outcome, changes=False)
        if not self.authenticator.user_exists(name):
            return Row(name, Message("There is no such account"), changes=False)
        outcome = Message("New password, and signed out everywhere")
        return Row(name, outcome, changes=True)

    async def _made(self, action: str, names: tuple[str, ...]) -> list[tuple[str, str]]:
        """Make the changes, or wait for the same ones that are being made.

        Raises:
            LocalizedHTTPError: another list is worked on.
        """
        work = BulkHandler._work
        if work is None or work.made.done():
            task = asyncio.create_task(self._apply(action, names))
            work = BulkHandler._work = _Work(self.current_user.name, action, names, task)
            task.add_done_callback(_forget)
        elif (work.by, work.action, work.names) != (self.current_user.name, action, names):
            message = Message(
                'Nothing was changed: other accounts are being changed by "{name}" at this moment. '
                "Try again in a minute.",
                name=work.by,
            )
            raise LocalizedHTTPError(_CONFLICT, message)
        # A request that ends must not end it for the others.
        return await asyncio.shield(work.made)

    async def _apply(self, action: str, listed: Sequence[str]) -> list[tuple[str, str]]:
        """Make the changes; return the names and passwords of the accounts that were changed."""
        names = [row.name for row in await self._rows(action, listed) if row.changes]
        made = []
        by = self.current_user.name
        for name in names:
            password, hashed = await asyncio.to_thread(new_one_time_password)
            if action == "create":
                if self.authenticator.user_exists(name):
                    continue
                record(by, "account.create", name, None, "active")
                if not self.authenticator.add_account(name, hashed):
                    continue
            else:
                record(by, "account.password", name, None, "one-time password")
                if not self.authenticator.store_password(name, hashed):
                    continue
                user = self.find_user(name)
                if user is not None:
                    end_sessions(self, user)
            made.append((name, password))
        return made

    async def _show(self, **namespace: Any) -> None:
        names = {"problem": None, "rows": None, "made": None, "max_names": MAX_NAMES, **namespace}
        self.finish(await self.render_template("account_bulk.html", **names))


def _forget(made: asyncio.Task[list[tuple[str, str]]]) -> None:
    """Keep no passwords in memory when a list is done."""
    if BulkHandler._work is not None and BulkHandler._work.made is made:  # noqa: SLF001
        BulkHandler._work = None  # noqa: SLF001


def _problem_of(error: CSVFileError) -> str:
    if error.line is None:
        return message_of(error)
    return Message("Line {line}: {problem}", line=error.line, problem=message_of(error))


def _problem_with(names: Sequence[str]) -> str | None:
    if not names:
        return Message("The list has no names. Paste them, one in each line, or choose a file.")
    if len(names) > MAX_NAMES:
        return Message(
            "The list has {n} names. Use lists of at most {most}.", n=len(names), most=MAX_NAMES
        )
    return None
