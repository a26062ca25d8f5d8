"""What a person reads on a page, and which of it is English."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_ATTRIBUTES = {"title", "placeholder", "aria-label", "alt"}
_WITHOUT_TEXT = {"script", "style", "code", "pre", "time", "textarea"}
_CJK = re.compile("[\u4e00-\u9fff]")
_SENTENCE = re.compile(r"[A-Za-z]+,? [a-z]+,? [a-z]+")
_QUANTITY = re.compile(r"\b[\d.]+ [KMGT]iB\b")
_WORD = re.compile(r"[A-Za-z]{3,}")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.language = ""
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = found.get("lang", "")
        names = _ATTRIBUTES | ({"value"} if found.get("type") == "submit" else set())
        self.texts += [found[name] for name in names & found.keys()]
        if tag in _WITHOUT_TEXT:
            self._hidden.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._hidden and self._hidden[-1] == tag:
            self._hidden.pop()

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.texts.append(data)


def page_language(html: str) -> str:
    """Return the language that a page says it is in."""
    reader = _Reader()
    reader.feed(html)
    return reader.language


def english_texts(html: str, names: set[str]) -> list[str]:
    """Return what is English on a page that should be Chinese.

    Args:
        html: the page.
        names: texts that are the same in each language.
    """
    reader = _Reader()
    reader.feed(html)
    # Units are the same in each language.
    texts = [" ".join(_QUANTITY.sub("", text).split()) for text in reader.texts]
    return [text for text in texts if text not in names and _is_english(text)]


def _is_english(text: str) -> bool:
    return bool(_SENTENCE.search(text) or (_WORD.search(text) and not _CJK.search(text)))
