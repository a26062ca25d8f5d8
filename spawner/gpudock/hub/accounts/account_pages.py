"""The Accounts page and the pages on which an administrator confirms a change.

NativeAuthenticator changes accounts on GET, which any page, even a notebook, can make an
administrator's browser send. Here GET shows a page, and only POST, which passes the Hub's XSRF
check, changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jupyterhub.handlers.base import BaseHandler
from nativeauthenticator.handlers import admin_users_scope
from nativeauthenticator.orm import UserInfo

from gpudock.engine.protocol import EngineError
from gpudock.hub.accounts.bulk import BulkHandler
from gpudock.hub.accounts.changes import AccountChanges
from gpudock.hub.accounts.files import AccountFiles
from gpudock.hub.accounts.states import deactivations
from gpudock.hub.administrators import administrators
from gpudock.hub.audit import record
from gpudock.hub.http_errors import LocalizedHTTPError
from gpudock.language import Message, message_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_NOT_FOUND = 404
_METHOD_NOT_ALLOWED = 405
_CONFLICT = 409
_UNAVAILABLE = 503


class AccountsHandler(BaseHandler):
    """The list of all accounts."""

    @admin_users_scope
    async def get(self) -> None:
        """Show accounts that wait for approval, active ones, and deactivated ones."""
        deactivated = deactivations()
        accounts = sorted(self.db.query(UserInfo), key=lambda account: account.username)
        admins = administrators(self.db)
        html = await self.render_template(
            "authorization-area.html",
            ask_email=self.authenticator.ask_email_on_signup,
            waiting=[a for a in accounts if not a.is_authorized and a.username not in deactivated],
            members=[a for a in accounts if a.is_authorized],
            deactivated=[
                (a, deactivated[a.username])
                for a in accounts
                if not a.is_authorized and a.username in deactivated
            ],
            admins=admins,
            running={name for name in admins | {a.username for a in accounts} if self.runs(name)},
        )
        self.finish(html)

    def runs(self, name: str) -> bool:
        """Return whether a user has an active server."""
        user = self.find_user(name)
        return user is not None and any(spawner.active for spawner in user.spawners.values())


@dataclass(frozen=True, slots=True)
class Question:
    """What a page asks before a change.

    Attributes:
        title: the page's heading.
        button: the label of the button that changes it.
        texts: what will happen, a paragraph each.
        option: name and label of a checkbox, if there is one.
        ticked: whether that is ticked at first.
        choices: values and labels of radio buttons named ``files``; none is chosen at first.
        danger: whether something ends or is lost.
        problem: why it is not possible; then there is no button.
    """

    title: str
    button: str
    texts: tuple[str, ...] = ()
    option: tuple[str, str] | None = None
    ticked: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    danger: bool = False
    problem: str | None = None


class _AskingPage(BaseHandler):
    """A page that asks before it changes an account."""

    def back(self) -> None:
        self.redirect(f"{self.hub.base_url}authorize")

    async def ask(self, question: Question, action: str) -> None:
        """Show a question whose answer is sent to *action*, a path below the Hub's."""
        html = await self.render_template("account_confirm.html", question=question, action=action)
        self.finish(html)

    def files(self) -> AccountFiles:
        return AccountFiles(self.app)


class ApproveHandler(_AskingPage):
    """Approves an account that waits."""

    def get(self, _name: str) -> None:
        """Refuse a link."""
        raise _by_form_only(self)

    @admin_users_scope
    async def post(self, name: str) -> None:
        """Approve, or ask what becomes of an earlier account's files first."""
        changes = AccountChanges(self)
        account = changes.account(name)
        choice = self.get_body_argument("files", "")
        if not account.is_authorized and choice not in ("keep", "delete"):
            size = await _asked_engine(self.files().size(name))
            if size is not None:
                await self.ask(_handing_over(name, size), f"authorize/{quote(name)}")
                return
        if choice == "delete" and not account.is_authorized:
            await delete_files(self, name)
        changes.approve(name)
        self.back()


class RejectHandler(_AskingPage):
    """Deletes an account that waits for approval."""

    def get(self, _name: str) -> None:
        """Refuse a link."""
        raise _by_form_only(self)

    @admin_users_scope
    async def post(self, name: str) -> None:
        """Reject the account."""
        AccountChanges(self).reject(name)
        self.back()


class AccountHandler(_AskingPage):
    """Asks before a change of one account, and makes it."""

    @admin_users_scope
    async def get(self, what: str, name: str) -> None:
        """Ask."""
        question = await self._question(what, name)
        await self.ask(question, f"accounts/{what}/{quote(name)}")

    @admin_users_scope
    async def post(self, what: str, name: str) -> None:
        """Make the change."""
        changes = AccountChanges(self)
        actions: dict[str, Callable[[], Awaitable[None]]] = {
            "activate": lambda: changes.activate(name),
            "deactivate": lambda: changes.deactivate(name, stop=self._is_ticked("stop")),
            "delete": lambda: self._delete(changes, name),
        }
        if what in ("admin", "no-admin"):
            changes.set_admin(name, admin=what == "admin")
        else:
            await actions[what]()
        self.back()

    async def _delete(self, changes: AccountChanges, name: str) -> None:
        changes.check_may_leave(name)
        if self._is_ticked("files"):
            await delete_files(self, name)
        await changes.delete(name)

    def _is_ticked(self, option: str) -> bool:
        return bool(self.get_body_argument(option, "") == "yes")

    async def _question(self, what: str, name: str) -> Question:
        changes = AccountChanges(self)
        changes.account(name)
        problem = None
        if what in ("deactivate", "delete", "no-admin"):
            try:
                changes.check_may_leave(name)
            except LocalizedHTTPError as error:
                problem = error.message
        if what == "delete":
            return await self._deletion(name, problem)
        return _QUESTIONS[what](name, problem)

    async def _deletion(self, name: str, problem: str | None) -> Question:
        user = self.find_user(name)
        if user is not None and any(spawner.active for spawner in user.spawners.values()):
            problem = problem or Message(
                '"{name}" has a running server. Deactivate the account and stop its servers first.',
                name=name,
            )
        size = None if problem else await _asked_engine(self.files().size(name))
        label = Message(
            "Also delete the workspace with all its files ({size}). This cannot be undone.",
            size=size,
        )
        return Question(
            title=Message('Delete the account "{name}"?', name=name),
            button=Message("Delete account"),
            texts=(_deleted(name), _NO_FILES if size is None else _FILES_STAY),
            option=("files", label) if size is not None else None,
            danger=True,
            problem=problem,
        )


_NO_FILES = Message("There is no workspace.")
_FILES_STAY = Message(
    "If the workspace stays, a later account with this name does not get it unless an "
    "administrator allows that."
)
_ADMINISTRATORS = Message(
    "An administrator can change all accounts, quotas and GPUs, and can open and stop everybody's "
    "servers."
)


def _deleted(name: str) -> str:
    return Message(
        '"{name}" can no longer sign in, and quotas set for this name are removed. What the '
        "account used stays in the usage reports and in the audit trail.",
        name=name,
    )


def _deactivation(name: str, problem: str | None) -> Question:
    return Question(
        title=Message('Deactivate the account "{name}"?', name=name),
        button=Message("Deactivate"),
        texts=(
            Message(
                '"{name}" is signed out everywhere at once, and cannot sign in or open JupyterLab. '
                "API tokens are deleted. Requests that wait for a GPU leave the queue.",
                name=name,
            ),
            Message("The account, its quotas and its files are kept. You can activate it again."),
        ),
        option=(
            "stop",
            Message("Also stop running servers. Their GPUs become free; unsaved work is lost."),
        ),
        ticked=True,
        danger=True,
        problem=problem,
    )


_QUESTIONS: dict[str, Callable[[str, str | None], Question]] = {
    "activate": lambda name, problem: Question(
        title=Message('Activate the account "{name}"?', name=name),
        button=Message("Activate"),
        texts=(
            Message('"{name}" can sign in again, with the former password and files.', name=name),
        ),
        problem=problem,
    ),
    "deactivate": _deactivation,
    "admin": lambda name, problem: Question(
        title=Message('Make "{name}" an administrator?', name=name),
        button=Message("Make administrator"),
        texts=(_ADMINISTRATORS,),
        problem=problem,
    ),
    "no-admin": lambda name, problem: Question(
        title=Message('Remove the administrator rights of "{name}"?', name=name),
        button=Message("Remove administrator"),
        texts=(Message('"{name}" becomes an ordinary user. Sessions and files stay.', name=name),),
        danger=True,
        problem=problem,
    ),
}


def _handing_over(name: str, size: str) -> Question:
    return Question(
        title=Message('Approve "{name}"?', name=name),
        button=Message("Approve"),
        texts=(
            Message(
                'The workspace of an earlier account "{name}" still exists ({size}). Make sure '
                "that this is the same person, or delete the files.",
                name=name,
                size=size,
            ),
        ),
        choices=(
            ("keep", Message("It is the same person: approve with these files")),
            (
                "delete",
                Message("Delete these files for good, and approve with an empty workspace"),
            ),
        ),
    )


async def delete_files(handler: Any, name: str) -> None:
    """Delete the workspace of an account, and record it.

    Raises:
        LocalizedHTTPError: a server still uses it, or the engine does not answer.
    """
    files = AccountFiles(handler.app)
    size = await _asked_engine(files.size(name))
    if size is None:
        return
    record(handler.current_user.name, "account.files", name, size, None)
    await _asked_engine(files.delete(name))


async def _asked_engine(answer: Awaitable[Any]) -> Any:
    try:
        return await answer
    except EngineError as error:
        message = Message(
            "Nothing was changed, because the workspace could not be looked at: {error}",
            error=message_of(error),
        )
        raise LocalizedHTTPError(_UNAVAILABLE, message) from error


def _by_form_only(handler: Any) -> LocalizedHTTPError:
    page = f"{handler.hub.base_url}authorize"
    message = Message("Change accounts on the Accounts page ({page}).", page=page)
    return LocalizedHTTPError(_METHOD_NOT_ALLOWED, message)


ACCOUNT_PAGES = [
    (r"/accounts/(activate|deactivate|delete|admin|no-admin)/([^/]+)", AccountHandler),
    (r"/accounts/bulk", BulkHandler),
]
"""Pages that NativeAuthenticator does not have."""
