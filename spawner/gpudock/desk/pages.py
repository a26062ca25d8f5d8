"""The pages that browsers see, in the Hub's own look."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader
from tornado.web import HTTPError

from gpudock.desk.handlers import DeskHandler
from gpudock.desk.refusal import Refusal
from gpudock.shared import DESK_PREFIX

if TYPE_CHECKING:
    from gpudock.desk.hub import DeskOAuth
    from gpudock.desk.office import Office

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
    "mine": ("My GPUs", False),
    "lab": ("Lab", False),
    "quotas": ("Quotas", True),
    "usage": ("Usage", False),
    "audit": ("Audit", True),
}
"""The pages: what the navigation calls each, and whether it is only for who may read the lab."""


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
        reads = visitor.reads.beyond_oneself
        if SECTIONS[section][1] and not reads:
            raise HTTPError(403)
        sessions = await self.office.look(lambda broker: broker.sessions(visitor.user))
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
            message = "This page is for administrators and leads of groups."
        else:
            status_code, _, message = self.explain(status_code, error)
        self.set_status(status_code)
        self._render("error.html", status=status_code, message=message, section="")

    def _render(self, template: str, **names: Any) -> None:
        visitor = self.visitor
        hub = self.hub_auth.hub_prefix
        reads = visitor is not None and visitor.reads.beyond_oneself
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(
            self._environment.get_template(template).render(
                base=DESK_PREFIX,
                hub=hub,
                user=visitor.user if visitor is not None else None,
                sections={
                    name: title
                    for name, (title, for_readers) in SECTIONS.items()
                    if reads or not for_readers
                },
                **names,
            )
        )


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
