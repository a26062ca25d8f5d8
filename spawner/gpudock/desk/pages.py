"""The pages that browsers see, in the Hub's own look."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader
from tornado.web import HTTPError

from gpudock.desk.errors import Refusal
from gpudock.desk.handlers import DeskHandler

if TYPE_CHECKING:
    from gpudock.desk.backend import Office
    from gpudock.desk.hub_client import DeskOAuth
    from gpudock.desk.identity import Visitor

_HERE = Path(__file__).parent
_MANIFEST = _HERE / "static" / "dist" / "manifest.json"
_ENTRY = "src/main.tsx"

# Scripts and styles come from the desk and from the Hub beside it, and from nowhere else.
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

SECTIONS = {
    "mine": ("My GPUs", "everybody"),
    "lab": ("Lab", "everybody"),
    "quotas": ("Quotas", "leads"),
    "usage": ("Usage", "everybody"),
    "audit": ("Audit", "readers"),
}
"""The pages: what the navigation calls each, and whom it is for (see :func:`_open_to`)."""


def environment() -> Environment:
    """Return where the pages' templates are found."""
    return Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True)


class PageHandler(DeskHandler):
    """One page for each section; who has not signed in is sent to the Hub first."""

    def initialize(  # type: ignore[override]
        self, office: Office, hub_auth: DeskOAuth, environment: Environment
    ) -> None:
        """Take what the application hands to every handler."""
        super().initialize(office, hub_auth)
        self._environment = environment

    async def get(self, section: str) -> None:
        """Show a section; an address without one is «My GPUs»."""
        section = section or "mine"
        if section not in SECTIONS:
            raise HTTPError(404)
        visitor = await self.recognise()
        if visitor is None or visitor.user is None:
            self.redirect(self.get_login_url())
            return
        if not _open_to(visitor, section):
            raise HTTPError(403)
        sessions = await self.office.look(lambda broker: broker.sessions.live(visitor.user))
        self._render(
            "section.html",
            section=section,
            sessions=sessions,
            reads=visitor.reads,
            manages=visitor.manages,
            xsrf_token=_text(self.xsrf_token),
            bundle=_bundle(),
            moment=_moment,
        )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Show a page with what went wrong."""
        info = kwargs.get("exc_info")
        error = info[1] if info else None
        if status_code == 403 and not isinstance(error, Refusal):
            message = "This page is for administrators, or also for those who lead a group."
        else:
            status_code, _, message = self.explain(status_code, error)
        self.set_status(status_code)
        self._render("error.html", status=status_code, message=message, section="")

    def _render(self, template: str, **names: Any) -> None:
        visitor = self.visitor
        hub = self.hub_auth.hub_prefix
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(
            self._environment.get_template(template).render(
                base=self.hub_auth.base_url,
                hub=hub,
                user=visitor.user if visitor is not None else None,
                sections={
                    name: title
                    for name, (title, _) in SECTIONS.items()
                    if visitor is not None and _open_to(visitor, name)
                },
                **names,
            )
        )


def _open_to(visitor: Visitor, section: str) -> bool:
    """Tell whether a page is for somebody: for all, for who sees others, or for who sees all."""
    match SECTIONS[section][1]:
        case "leads":
            return visitor.reads.beyond_oneself
        case "readers":
            return visitor.reads.everyone
    return True


def _bundle() -> dict[str, list[str]]:
    """Return the built programs and styles of the pages; none where they were not built."""
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
    """Return a moment for people, in UTC."""
    if seconds is None:
        return "—"
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M} UTC"
