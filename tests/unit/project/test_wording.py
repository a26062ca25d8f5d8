"""Phrases and punctuation to avoid; ``docs/words.txt`` has the single words."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

INSTEAD = {
    "all the same": "still, anyway",
    "asking to be let in": "waiting for approval",
    "be had": "be available",
    "collector of garbage": "garbage collector",
    "collections of garbage": "garbage collection",
    "for ever": "forever",
    "is looked": "check, re-check",
    "let in": "approved",
    "say whether": "return whether",
    "shut out": "blocked",
    "tell whether": "return whether, report whether",
    "tells whether": "returns whether, reports whether",
    "those who wait": "waiting users, users who wait",
    "time of waiting": "waiting time",
    "who waits": "a waiting user, users who wait",
}
"""Each phrase, and what to write instead."""

QUOTES = "\u00ab\u00bb"


def texts():
    """Return the text of every file in git, by name, but for this one."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    found = {}
    for name in names.split("\0"):
        path = ROOT / name
        if path.is_file() and path != Path(__file__):
            try:
                found[name] = path.read_text()
            except UnicodeDecodeError:
                continue
    return found


TEXTS = texts()


def places(pattern):
    """Return where a pattern occurs, as file and line."""
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}"
        for name, text in TEXTS.items()
        for match in re.finditer(pattern, text, re.I | re.M)
    ]


@pytest.mark.parametrize("phrase", INSTEAD)
def test_a_phrase_is_not_used(phrase):
    # A line break in a comment may stand between two words.
    spaced = r"\s+(?:[#*/]+\s+)?".join(phrase.split())
    assert places(rf"\b{spaced}\b") == [], f"write: {INSTEAD[phrase]}"


def test_quotes_are_straight():
    assert places(f"[{QUOTES}]") == [], 'write "…" in messages and `…` in documentation'


def test_no_docstring_begins_with_say_or_tell():
    assert places(r'^\s*"""(Tell|Say|Let)s?\b') == [], "write: Return, Report, Set"
