"""The pages that JupyterHub brings along, in the reader's language.

JupyterHub has no translations. Copies of its templates would be in the way of its upgrades, because
its scripts need the elements that they have. So the English texts of its own templates are replaced
when Jinja reads them. What a newer JupyterHub says differently stays English, and a test finds it.
"""

from __future__ import annotations

import re
from http.client import responses
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import pass_context
from jinja2.ext import Extension
from jupyterhub._data import DATA_FILES_PATH

from gpudock.language import Message
from gpudock.language.catalog import catalog, language, localized
from gpudock.language.recognition import recognized

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context

STOCK_TEMPLATES = Path(DATA_FILES_PATH) / "templates"

TEXTS: tuple[str, ...] = (
    # page.html
    Message("JupyterHub requires JavaScript."),
    Message("Please enable it to proceed."),
    Message("Close"),
    # login.html
    Message(
        "Warning: JupyterHub seems to be served over an unsecured HTTP connection. "
        "We strongly recommend enabling HTTPS for JupyterHub."
    ),
    Message("Sign in with"),
    Message("Sign in"),
    "Username:",
    Message("Password:"),
    Message("Show password"),
    Message("Hide password"),
    Message("By logging into the platform you accept the"),
    Message("terms and conditions"),
    # spawn.html, stop_pending.html, logout.html
    Message("Spawning server for"),
    Message("Error:"),
    Message("Start"),
    Message("refresh"),
    Message("Successfully logged out."),
    # home.html
    Message("JupyterHub home page"),
    Message("Stop My Server"),
    Message("My Server"),
    Message("Named Servers"),
    Message("In addition to your default server, you may have additional"),
    Message(
        "server(s) with names. This allows you to have more than one server running at the same "
        "time."
    ),
    Message("JupyterHub 6 has"),
    Message("new restrictions on servernames"),
    Message(". Consider migrating named servers:"),
    Message("Server name"),
    Message("URL"),
    Message("Last activity"),
    Message("Actions"),
    Message("server name"),
    Message("name-your-server"),
    Message("Add New Server"),
    Message("stop"),
    Message("start"),
    Message("delete"),
    # token.html
    Message("Manage JupyterHub Tokens"),
    Message("Note"),
    Message("note to identify your new token"),
    Message("This note will help you keep track of what your tokens are for."),
    Message("Token expires in"),
    Message("You can configure when your token will expire."),
    Message("Permissions"),
    Message("list of scopes for the token to have, separated by space"),
    Message(
        "You can limit the permissions of the token so it can only do what you want it to. "
        "If none are specified, the token will have permission to do everything you can do. "
        "See the"
    ),
    Message("JupyterHub documentation for a list of available scopes"),
    Message("Request new API token"),
    Message("Your new API Token"),
    Message(
        "Copy this token. You won't be able to see it again, but you can always come back here to "
        "get a new one."
    ),
    Message("API Tokens"),
    Message(
        "These are tokens with access to the JupyterHub API. Permissions for each token may be "
        "viewed via the JupyterHub tokens API. Revoking the API token for a running server will "
        "require restarting that server."
    ),
    Message("Last used"),
    Message("Created"),
    Message("Expires"),
    Message("scopes"),
    Message("Never used"),
    Message("Never expires"),
    Message("N/A"),
    Message("revoke"),
    Message("Authorized Applications"),
    Message(
        "These are applications that use OAuth with JupyterHub to identify users (mostly notebook "
        "servers). OAuth tokens can generally only be used to identify you, not take actions on "
        "your behalf."
    ),
    Message("Application"),
    Message("First authorized"),
    # oauth.html
    Message("Authorize access"),
    Message(
        "An application is requesting authorization to access data associated with your JupyterHub "
        "account"
    ),
    Message("(oauth URL:"),
    Message(") would like permission to identify you."),
    Message("It will not be able to take actions on your behalf."),
    Message("This will grant the application permission to:"),
    Message("This authorization is required"),
    Message("Applies to"),
    Message("Authorize"),
    # accept-share.html
    Message("Accept sharing invitation"),
    Message("You ("),
    Message(") have been invited to access"),
    Message("'s server"),
    Message("at"),
    Message("The server at"),
    Message("is not currently running. After accepting permission, you may need to ask"),
    Message("to start the server before you can access it."),
    Message(
        "By accepting the invitation, you will be granted the following permissions, restricted to "
        "this particular server:"
    ),
    Message("Accept invitation"),
    Message("After accepting the invitation, you will be redirected to"),
)
"""What the templates say, with single spaces."""

ANSWERS: tuple[str, ...] = (
    # The form fields of the Token page that its handler makes.
    Message("1 Hour"),
    Message("1 Day"),
    Message("1 Week"),
    Message("1 Month"),
    Message("1 Year"),
    # The modal of page.html.
    Message("Error"),
    Message("OK"),
    # NativeAuthenticator's sign-up page.
    Message("You failed the reCAPTCHA. Please try again"),
    Message("The signup was successful! You can now go to the home page and log in to the system."),
    Message("The signup was successful! Check your email to authorize your access."),
    # Sign-in, and errors.
    "Invalid username or password",
    Message("XSRF cookie does not match POST argument"),
    Message("'_xsrf' argument missing from POST"),
    Message("Login form invalid or expired. Try again."),
    Message("No access to resources or resources not found"),
    Message("Action is not authorized with current scopes; requires any of [{scopes}]", scopes=""),
    Message("Bad Request"),
    Message("Forbidden"),
    Message("Not Found"),
    Message("Method Not Allowed"),
    Message("Conflict"),
    Message("Gone"),
    Message("Request Entity Too Large"),
    Message("Unprocessable Entity"),
    Message("Unprocessable Content"),
    Message("Failed Dependency"),
    Message("Too Many Requests"),
    Message("Internal Server Error"),
    Message("Service Unavailable"),
    Message("Gateway Timeout"),
    # What the page that asks for consent lists.
    Message("Identify the owner of the requesting entity."),
    Message("Access user servers via API or browser."),
    Message("Access services via API or browser."),
    Message("Read names of users."),
    Message("Read users’ group membership."),
    Message("Change quotas, GPUs, and other people's sessions"),
    Message("See all GPUs, sessions, quotas, and usage"),
    # What the Hub adds to the messages of a start.
    Message("Server requested"),
)
"""What the handlers of JupyterHub and NativeAuthenticator say."""

REWORDED: dict[str, str] = {
    # An option of the Token page's form.
    "Never": Message("Never expires"),
    "Username:": Message("User name:"),
    "Invalid username or password": Message(
        "The user name or the password is wrong. Try again; an administrator can reset your "
        "password."
    ),
}
"""What the lab says in words of its own instead, in English as well."""

_KNOWN = {*TEXTS, *ANSWERS}


def _pattern() -> re.Pattern[str]:
    longest_first = sorted(TEXTS, key=len, reverse=True)
    text = "|".join(r"\s+".join(map(re.escape, known.split(" "))) for known in longest_first)
    attribute = r"(?<=\s)(?P<attribute>title|placeholder|aria-label|value)=(?P<quote>[\"'])"
    return re.compile(
        rf"{attribute}(?P<value>{text})(?P=quote)"
        rf"|(?<=[?:] \")(?P<script>{text})(?=\")"
        rf"|(?<=[>}}])(?P<before>\s*)(?P<text>{text})(?P<after>\s*)(?=[<{{])"
    )


_TEXT = _pattern()
# "Never" is said of servers and tokens without a use, and of tokens without an end.
_NEVER = re.compile(
    r"(?P<date>last_activity|expires_at)"
    r"(?P<between>\W+isoformat[^{}]*\}\}\s*\{%-? else -?%\}\s*)Never\b"
)
_FRAME = {
    '<html lang="en">': '<html lang="{{ language_tag() }}">',
    '<p class="login_error">{{ login_error }}': (
        '<p class="login_error" id="gpudock-login-error" role="alert">{{ login_error }}'
    ),
    # Chrome's translation replaces texts that React keeps, and React fails.
    '<div id="react-admin-hook">': '<div id="react-admin-hook" translate="no">',
    "{{ title }}": "{{ title|stock_text }}",
    "{{ btn_label }}": "{{ btn_label|stock_text }}",
    "{{ scope_info['description'] }}": "{{ scope_info['description']|stock_text }}",
    "{{ token_expires_in_options_html | safe }}": (
        "{{ token_expires_in_options_html|stock_options|safe }}"
    ),
}
"""Places that have no text of their own."""


class StockPages(Extension):
    """Jinja's extension that reads JupyterHub's own templates."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["stock_text"] = _stock_text
        environment.filters["stock_options"] = stock_options
        environment.globals["status_phrase"] = responses.get

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Return the source of a template, with translations if it is one of JupyterHub's."""
        if filename is None or Path(filename).parent != STOCK_TEMPLATES:
            return source
        for found, replaced in _FRAME.items():
            source = source.replace(found, replaced)
        return _TEXT.sub(_translatable, _NEVER.sub(_named_never, source))


def _named_never(match: re.Match[str]) -> str:
    what = "expires" if match["date"] == "expires_at" else "used"
    return f"{match['date']}{match['between']}Never {what}"


def _translatable(match: re.Match[str]) -> str:
    parts = match.groupdict()
    known = next(parts[kind] for kind in ("value", "script", "text") if parts[kind])
    call = f'{{{{ "{" ".join(known.split())}"|stock_text }}}}'
    if parts["value"]:
        return f"{parts['attribute']}={parts['quote']}{call}{parts['quote']}"
    if parts["script"]:
        return call
    return f"{parts['before']}{call}{parts['after']}"


def stock_text(text: str) -> str:
    """Return what JupyterHub says in the reader's language; other text stays as it is."""
    text = REWORDED.get(text, text)
    if isinstance(text, Message):
        return localized(text)
    if text in _KNOWN:
        return catalog(language()).template(text)
    return localized(recognized(text))


@pass_context
def _stock_text(_context: Context, text: str | None) -> str | None:
    # Without a context, Jinja would translate literals once and for all when it reads a template.
    return stock_text(text) if text else text


def stock_options(html: str) -> str:
    """Return HTML with options whose labels are JupyterHub's in the reader's language."""
    return re.sub(r"(?<=>)[^<>]+(?=</option>)", lambda match: stock_text(match[0]), html)
