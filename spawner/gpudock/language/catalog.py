"""Translate messages into the language of the person who reads them."""

from __future__ import annotations

import re
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.pofile import read_po

from gpudock.language.message import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from babel.messages.catalog import Message as Entry

LOCALES = Path(__file__).parent / "locale"
ENGLISH = "en"
CHINESE = "zh_CN"

# Some programs write `zh_CN`, as POSIX does.
_PRIMARY_END = re.compile("[-_]")

_language: ContextVar[str] = ContextVar("language", default=ENGLISH)


class Catalog:
    """The translations into one language.

    Args:
        templates: what stands for each English template.
    """

    def __init__(self, templates: Mapping[str, str]) -> None:
        self._templates = templates

    def template(self, english: str) -> str:
        """Return the translation of a template, or the template itself if there is none."""
        return self._templates.get(english) or english

    def translate(self, text: str) -> str:
        """Return the translation of a message; other text stays as it is."""
        if not isinstance(text, Message):
            return text
        values = {
            name: self.translate(value) if isinstance(value, str) else value
            for name, value in text.values.items()
        }
        found = self._templates.get(text.template)
        if not found:
            is_plural = text.plural is not None and values["n"] != 1
            found = text.plural if is_plural and text.plural else text.template
        return found.format_map(values)


@cache
def catalog(language: str) -> Catalog:
    """Return the catalog of a language, which is empty for English."""
    if language == ENGLISH:
        return Catalog({})
    return Catalog({_first(entry.id): _first(entry.string) for entry in _entries(language)})


def templates(language: str) -> list[tuple[str, str | None]]:
    """Return the English templates in a catalog: for one, and for other numbers if that differs."""
    return [
        (entry.id, None) if isinstance(entry.id, str) else (entry.id[0], entry.id[-1])
        for entry in _entries(language)
    ]


def _entries(language: str) -> list[Entry]:
    path = LOCALES / language / "LC_MESSAGES" / "gpudock.po"
    with path.open("rb") as file:
        return [entry for entry in read_po(file, locale=language) if entry.id]


def _first(forms: str | list[str] | tuple[str, ...] | None) -> str:
    """Return the form of a text that counts: Chinese has one for all numbers."""
    return forms if isinstance(forms, str) else (forms or ("",))[0]


def negotiate(accept_language: str) -> str:
    """Return the language for a browser's ``Accept-Language`` header.

    Args:
        accept_language: the header's value, which can be anything; empty if there was none.
    """
    asked: list[tuple[float, str]] = []
    for item in accept_language[:1000].split(","):
        tag, *parameters = item.split(";")
        try:
            weight = _weight(parameters)
        except ValueError:
            continue
        if weight > 0:
            asked.append((weight, _PRIMARY_END.split(tag.strip().lower(), maxsplit=1)[0]))
    for _, spoken in sorted(asked, key=lambda pair: -pair[0]):
        # Readers of traditional characters read simplified ones rather than English.
        if spoken == "zh":
            return CHINESE
        if spoken == "en":
            return ENGLISH
    return ENGLISH


def _weight(parameters: list[str]) -> float:
    """Return how much a language is preferred: its parameter ``q``, or 1 without it."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            return float(value)
    return 1.0


def read_in(accept_language: str) -> None:
    """Set the language of whatever is done in this context, which is one request of a browser."""
    _language.set(negotiate(accept_language))


def language() -> str:
    """Return the language of this context, as in ``zh_CN``; English outside a request."""
    return _language.get()


def localized(text: str) -> str:
    """Return a message in the language of this context; other text stays as it is."""
    spoken = _language.get()
    return text if spoken == ENGLISH else catalog(spoken).translate(text)
