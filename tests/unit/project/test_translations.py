"""Whatever people read in the lab's pages and errors is there in each language, with its values."""

from __future__ import annotations

import ast
import re
import string

import pytest
from babel.messages.pofile import read_po

from gpudock.language.catalog import CHINESE, LOCALES
from harness import translations

CJK = re.compile("[\u4e00-\u9fff]")
SAME_IN_CHINESE = {"{text} {part}", "GPUs"}
"""Templates whose translation has no Chinese character."""


@pytest.fixture(scope="module")
def code():
    return {message.id for message in translations.extracted() if message.id}


@pytest.fixture(scope="module")
def chinese():
    with (LOCALES / CHINESE / "LC_MESSAGES" / "gpudock.po").open("rb") as file:
        return {message.id: message for message in read_po(file) if message.id}


def test_the_catalog_has_each_text_of_the_code_and_no_other(code, chinese):
    missing, left_over = code - chinese.keys(), chinese.keys() - code
    assert not missing, f"`make translations` adds them, and you translate them: {missing}"
    assert not left_over, f"`make translations` removes them: {left_over}"


def test_each_text_is_translated(chinese):
    for text, message in chinese.items():
        translation = message.string if isinstance(text, str) else message.string[0]
        assert not message.fuzzy, text
        source = text if isinstance(text, str) else text[0]
        assert CJK.search(translation) or source in SAME_IN_CHINESE, text


def test_a_translation_has_the_values_of_its_text(chinese):
    for text, message in chinese.items():
        sources = [text] if isinstance(text, str) else [text[-1]]
        translation = message.string if isinstance(text, str) else message.string[0]
        for source in sources:
            assert _values(translation) == _values(source), source


def _values(template: str) -> list[str]:
    """Return the placeholders of a template: of ``str.format``, and of Jinja's ``%(name)s``."""
    if "%(" in template:
        return sorted(re.findall(r"%\((\w+)\)s", template))
    return sorted(
        {
            f"{name}!{conversion}:{form}"
            for _, name, form, conversion in string.Formatter().parse(template)
            if name is not None
        }
    )


def test_messages_are_made_of_literals():
    """An extractor reads the code and does not run it."""
    for path in translations.PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            templates = {"Message": node.args[:1], "counted": node.args[:2]}.get(node.func.id, [])
            for template in templates:
                assert isinstance(template, ast.Constant), f"{path}:{node.lineno}"
