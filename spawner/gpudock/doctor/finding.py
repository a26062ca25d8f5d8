"""Findings of checks, and how they are shown."""

from __future__ import annotations

import enum
import textwrap
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WIDTH = 100


class Level(enum.StrEnum):
    """How bad a finding is."""

    OK = "ok"
    HINT = "hint"  # works, but could be better or safer
    PROBLEM = "problem"  # does not work, or soon will not
    UNKNOWN = "unknown"  # could not be checked from here


_SIGNS = {Level.OK: "✓", Level.HINT: "•", Level.PROBLEM: "✗", Level.UNKNOWN: "?"}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        about: what was checked, in a word or two, such as "driver" or "CDI".
        level: how bad it is.
        text: the problem and its reason, in a sentence or two.
        remedy: how to fix it, in the imperative; empty if there is nothing to do.
    """

    about: str
    level: Level
    text: str
    remedy: str = ""

    def document(self) -> dict[str, Any]:
        """Return the finding for JSON."""
        return asdict(self)

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Finding:
        """Return the finding of a document made by :meth:`document`.

        Raises:
            KeyError, ValueError: it is not such a document.
        """
        return cls(
            about=str(document["about"]),
            level=Level(document["level"]),
            text=str(document["text"]),
            remedy=str(document["remedy"]),
        )


def ok(about: str, text: str) -> Finding:
    """Return a finding of a check that passed."""
    return Finding(about, Level.OK, text)


def hint(about: str, text: str, remedy: str) -> Finding:
    """Return a finding of something that could be better."""
    return Finding(about, Level.HINT, text, remedy)


def problem(about: str, text: str, remedy: str) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(about, Level.PROBLEM, text, remedy)


def unknown(about: str, text: str, remedy: str = "") -> Finding:
    """Return a finding of a check that was not possible."""
    return Finding(about, Level.UNKNOWN, text, remedy)


def has_problems(findings: Iterable[Finding]) -> bool:
    """Return whether one of the findings is a problem."""
    return any(finding.level is Level.PROBLEM for finding in findings)


def as_text(findings: Iterable[Finding]) -> str:
    """Return the findings as lines for a terminal, with a summary at the end."""
    shown = list(findings)
    width = max((len(finding.about) for finding in shown), default=0)
    lines: list[str] = []
    for finding in shown:
        head = f"{_SIGNS[finding.level]} {finding.about.ljust(width)}  "
        lines += _wrapped(finding.text, head)
        if finding.remedy:
            lines += _wrapped(f"→ {finding.remedy}", " " * len(head))
    problems = sum(finding.level is Level.PROBLEM for finding in shown)
    hints = sum(finding.level is Level.HINT for finding in shown)
    lines += ["", _summary(problems, hints)]
    return "\n".join(lines)


def _wrapped(text: str, head: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _summary(problems: int, hints: int) -> str:
    if not problems and not hints:
        return "No problems found."
    parts = []
    if problems:
        parts.append("1 problem" if problems == 1 else f"{problems} problems")
    if hints:
        parts.append("1 hint" if hints == 1 else f"{hints} hints")
    return f"Found {' and '.join(parts)}."
