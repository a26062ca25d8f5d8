"""Recognize sentences that were stored in English, or came from another process as text.

A database, or an answer in JSON, keeps the text of a message only. There are finitely many
templates, so the message can be found again where such a text reaches a person.
"""

from __future__ import annotations

import re
import string
from functools import cache, lru_cache
from typing import NamedTuple

from gpudock.language.catalog import CHINESE, templates
from gpudock.language.message import SENTENCES, Message, sentences

# With fewer characters of its own, a template fits texts that were not made with it.
_MIN_LITERAL = 7
# What is stored is a few sentences. Nothing is searched for in a novel.
_MAX_LENGTH = 2000
_MAX_PIECES = 20
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=\S)")


class _AsWritten(str):
    """A value as it stands in the text, whatever format the template has for it."""

    __slots__ = ()

    def __format__(self, _form: str) -> str:
        return str(self)


class _Pattern(NamedTuple):
    """How to find a message by its text.

    Attributes:
        text: what its whole text matches, a group for each value.
        start: the characters before the first value.
        singular, plural: the templates of the message.
    """

    text: re.Pattern[str]
    start: str
    singular: str
    plural: str | None


def recognized(text: str) -> str:
    """Return the message that a stored text was, or the text as it is.

    What is stored may also be a part of a message: sentences side by side, some of them messages
    and some of them text. Each of these is recognized. Other values of messages, such as names,
    stay as they are.
    """
    if not isinstance(text, Message):
        return _recognized(text)
    if text.template != SENTENCES:
        return text
    return sentences(*(recognized(part) for part in text.values.values()))


@lru_cache(maxsize=1024)
def _recognized(text: str) -> str:
    pieces = _SENTENCE_END.split(text) if len(text) <= _MAX_LENGTH else []
    if not 0 < len(pieces) <= _MAX_PIECES:
        return text
    parts: list[str] = []
    while pieces:
        # One sentence if that is a message, otherwise more: a value may have sentences of its own.
        for end in range(1, len(pieces) + 1):
            message = _message(" ".join(pieces[:end]))
            if message is not None:
                parts.append(message)
                del pieces[:end]
                break
        else:
            parts.append(pieces.pop(0))
    return sentences(*parts) if any(isinstance(part, Message) for part in parts) else text


def _message(text: str) -> Message | None:
    for pattern in _patterns():
        found = pattern.text.fullmatch(text) if text.startswith(pattern.start) else None
        if found is not None:
            values: dict[str, object] = {"n": 1} if pattern.plural is not None else {}
            values |= {name: _value(value) for name, value in found.groupdict().items()}
            message = Message.of(pattern.singular, pattern.plural, values)
            if message == text:
                return message
    return None


def _value(text: str) -> object:
    """Return a value: the number that chooses a form, or a message such as a duration."""
    if text == "1":
        return 1
    part = _message(text) if " " in text else None
    return _AsWritten(text) if part is None else part


@cache
def _patterns() -> tuple[_Pattern, ...]:
    """Return the patterns, those with the most characters of their own first."""
    found = []
    # Each catalog is complete, so any of them has all templates.
    for singular, plural in templates(CHINESE):
        for form in (singular, plural):
            made = None if form is None else _pattern(form, singular, plural)
            if made is not None:
                found.append(made)
    return tuple(made for _, made in sorted(found, key=lambda item: -item[0]))


def _pattern(form: str, singular: str, plural: str | None) -> tuple[int, _Pattern] | None:
    """Return how much of a template is its own, and its pattern; ``None`` if that is too little."""
    if "%(" in form or form == SENTENCES:
        return None
    parts = list(string.Formatter().parse(form))
    literal = "".join(text for text, *_ in parts)
    if len(literal) < _MIN_LITERAL:
        return None
    names: set[str] = set()
    pieces = []
    for text, name, _, _ in parts:
        pieces.append(re.escape(text))
        if name is not None:
            # A text that starts with a value could start with other sentences.
            value = ".+?" if any(pieces) else "(?:(?![.!?] ).)+?"
            pieces.append(f"(?P={name})" if name in names else f"(?P<{name}>{value})")
            names.add(name)
    missing = {name for each in (singular, plural or "") for name in _names(each)} - names
    # The form for one may do without the number.
    if missing and not (missing == {"n"} and form == singular):
        return None
    pattern = re.compile("".join(pieces), re.DOTALL)
    return len(literal), _Pattern(pattern, parts[0][0], singular, plural)


def _names(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
