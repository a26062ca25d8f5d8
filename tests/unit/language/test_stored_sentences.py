"""Each sentence of the lab is recognized again by its text, with the lab's own catalog."""

from __future__ import annotations

import datetime as dt
import string

import pytest

from gpudock.language import Message
from gpudock.language.catalog import CHINESE, catalog, templates
from gpudock.language.recognition import _MIN_LITERAL, recognized


def sample(template: str) -> dict[str, object]:
    values: dict[str, object] = {}
    for _, name, form, _ in string.Formatter().parse(template):
        if name is None:
            continue
        if form:
            is_time = "%" in form
            values[name] = dt.datetime(2026, 11, 30, 9, 5, tzinfo=dt.UTC) if is_time else 3
        else:
            values[name] = 7 if name == "n" else name.upper()
    return values


def sentences() -> list[Message]:
    found = []
    for singular, plural in templates(CHINESE):
        form = plural or singular
        literal = "".join(text for text, *_ in string.Formatter().parse(form))
        if "%(" not in form and len(literal) >= _MIN_LITERAL:
            found.append(Message.of(singular, plural, {"n": 7, **sample(form)}))
    return found


@pytest.mark.parametrize("message", sentences())
def test_a_stored_sentence_is_shown_in_chinese(message):
    stored = recognized(str(message))
    assert stored == message
    assert catalog(CHINESE).translate(stored) == catalog(CHINESE).translate(message)
