"""What people read is made as a message, so that it can be shown in their language."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from harness.translations import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDERS = ("policy", "broker", "desk")
MAKERS = ("Denial", "EndReason", "ForeignUse", "StateTransition", "TableProblem", "QueuePosition")
"""What sentences are given to, in addition to errors."""

FOR_DEVELOPERS = {
    "broker/epoch.py",  # in the hub's log: the hub ends, or waits for another one
    "desk/config.py",  # in the desk's log, when it does not start
    "policy/scheduling/fair_share.py",  # in the hub's log: its settings are checked at the start
}


def plain_sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield where an error, a reason or a return value is a sentence but no message."""
    for node in ast.walk(tree):
        found: list[ast.expr] = []
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            is_error = name.endswith("Error") or name == "not_for"
            if is_error or name in MAKERS:
                found += [*node.args, *(keyword.value for keyword in node.keywords)]
            found += [
                keyword.value
                for keyword in node.keywords
                if keyword.arg in ("reason", "problem", "message", "why")
            ]
        elif isinstance(node, ast.Return | ast.Assign | ast.Yield) and node.value is not None:
            found.append(node.value)
        for value in found:
            for text in texts(value):
                if " " in text.strip() and text.rstrip().endswith("."):
                    yield value.lineno, text


def texts(value: ast.expr) -> Iterator[str]:
    """Yield what an expression may be, as far as it is written as text."""
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr():
            yield "".join(
                part.value if isinstance(part, ast.Constant) else "…" for part in value.values
            )
        case ast.IfExp():
            yield from texts(value.body)
            yield from texts(value.orelse)
        case ast.BoolOp():
            for part in value.values:
                yield from texts(part)
        case ast.Tuple() | ast.List():
            for part in value.elts:
                yield from texts(part)


def sources() -> list[Path]:
    return [
        path
        for folder in FOLDERS
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        if path.relative_to(PACKAGE).as_posix() not in FOR_DEVELOPERS
    ]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_sentences_are_messages(path):
    found = [
        f"{path}:{line}: {text!r}" for line, text in plain_sentences(ast.parse(path.read_text()))
    ]
    assert not found, "make these a Message of gpudock.language: " + "\n".join(found)


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ('raise PageError("It is not there.")', 1),
        ('raise PageError(f"The page {name} is not there.")', 1),
        ('raise PageError(why or "It is not there.")', 1),
        ('Denial("quota", "You have too many." if many else "You have none.")', 2),
        ('GPU(reason="It is not there.")', 1),
        ('why = "It is not there."', 1),
        ('def f(): return "It is not there."', 1),
        ('raise PageError(Message("It is not there."))', 0),
        ('Denial("quota", "busy")', 0),
        ('log.info("It is not there.")', 0),
        ('Field(description="It is not there.")', 0),
    ],
)
def test_plain_sentences_are_found(code, number):
    assert len(list(plain_sentences(ast.parse(code)))) == number
