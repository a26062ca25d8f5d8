"""The desk's pages, in the Hub's style."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader
from tornado.web import HTTPError

from gpudock.config.navigation import Rights, links
from gpudock.desk.errors import APIError
from gpudock.desk.handlers import DeskHandler
from gpudock.desk.hub_client import asks_again
from gpudock.language import Message
from gpudock.language.templates import Translated

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.desk.identity import Principal

_HERE = Path(__file__).parent
_MANIFEST = _HERE / "static" / "dist" / "manifest.json"
_ENTRY = "src/main.tsx"

# Scripts and styles come from the same origin only: the desk and the Hub.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

SECTIONS: dict[str, tuple[str, Callable[[Principal], bool]]] = {
    "mine": (Message("My GPUs"), lambda _: True),
    "lab": (Message("Lab"), lambda _: True),
    "quotas": (Message("Quotas"), lambda principal: bool(principal.reads)),
    "usage": (Message("Usage"), lambda _: True),
    "sessions": (Message("Sessions"), lambda principal: bool(principal.reads)),
    "audit": (Message("Audit"), lambda principal: principal.reads.everyone),
}
"""The pages: their titles, and whether a principal may open the page."""

_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, extensions=[Translated]
)


class PageHandler(DeskHandler):
    """Serves one page for each section, after a sign-in at the Hub."""

    async def get(self, section: str) -> None:
        """Show a section; without one, "My GPUs"."""
        section = section or "mine"
        if section not in SECTIONS:
            raise HTTPError(404)
        _, is_open_to = SECTIONS[section]
        asks_again.set(True)
        principal = await self.authenticate()
        if principal is None or principal.user is None:
            self.redirect(self.get_login_url())
            return
        if not is_open_to(principal):
            raise HTTPError(403)
        sessions = await self.backend.read(lambda broker: broker.sessions.live(principal.user))
        self._render(
            "section.html",
            section=section,
            sessions=sessions,
            reads=principal.reads,
            manages=principal.manages,
            xsrf_token=_text(self.xsrf_token),
            bundle=_bundle(),
            moment=_moment,
        )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Show an error page."""
        info = kwargs.get("exc_info")
        error = info[1] if info else None
        if status_code == 403 and not isinstance(error, APIError):
            message: str = Message(
                "This page is for administrators. Some pages are also for leads of a group."
            )
        else:
            status_code, _, message = self.explain(status_code, error)
        self.set_status(status_code)
        self._render("error.html", status=status_code, message=message, section="")

    def _rights(self) -> Rights:
        principal = self.principal
        assert principal is not None
        # Whether they administer the Hub as well, only the Hub knows for certain.
        administers = principal.manages.everyone
        return Rights(
            reads_quotas=bool(principal.reads),
            reads_lab=principal.reads.everyone,
            administers=administers,
            approves=administers and self.backend.has_accounts,
            has_password=self.backend.has_accounts,
        )

    def _render(self, template: str, **names: Any) -> None:
        principal = self.principal
        hub = self.hub_auth.hub_prefix
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(
            _TEMPLATES.get_template(template).render(
                base=self.hub_auth.base_url,
                hub=hub,
                lab_name=self.settings.get("lab_name"),
                lab_logo=self.settings.get("has_logo", False),
                user=principal.user if principal is not None else None,
                navigation=[] if principal is None else links(hub[: -len("hub/")], self._rights()),
                sections={name: title for name, (title, _) in SECTIONS.items()},
                **names,
            )
        )


def _bundle() -> dict[str, list[str]]:
    """Return the built scripts and styles of the pages; none if they were not built."""
    if not _MANIFEST.exists():
        return {"scripts": [], "styles": []}
    entry = json.loads(_MANIFEST.read_text()).get(_ENTRY, {})
    return {
        "scripts": [entry["file"]] if "file" in entry else [],
        "styles": list(entry.get("css", ())),
    }


def _text(token: bytes | str) -> str:
    return token.decode() if isinstance(token, bytes) else token


def _moment(seconds: float | None) -> str:
    """Return a time for people, in UTC."""
    if seconds is None:
        return "—"
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M} UTC"
