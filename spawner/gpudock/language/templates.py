"""Translations in Jinja templates: ``{% trans %}``, ``_("…")`` and the filter ``localized``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2.ext import InternationalizationExtension

from gpudock.language.catalog import catalog, language, localized

if TYPE_CHECKING:
    from jinja2 import Environment


class Translated(InternationalizationExtension):
    """Jinja's own extension with the lab's catalogs, in the language of each request."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.install_gettext_callables(_gettext, _ngettext, newstyle=True)  # type: ignore[attr-defined]
        environment.filters["localized"] = localized
        environment.globals["language"] = language
        environment.globals["language_tag"] = _language_tag


def _language_tag() -> str:
    """Return the language as HTML names it."""
    return language().replace("_", "-")


def _gettext(english: str) -> str:
    return catalog(language()).template(english)


def _ngettext(singular: str, plural: str, n: int) -> str:
    found = catalog(language()).template(singular)
    return plural if found == singular and n != 1 else found
