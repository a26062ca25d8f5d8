"""The expressions that the front end evaluates in a running kernel to read torch's live state."""

from __future__ import annotations

from pathlib import Path

_EXPRESSION = (
    "(lambda space: (__import__('builtins').exec({source!r}, space), "
    "space['result']({action!r}))[1])({{'__name__': 'gpudock'}})"
)


def snippets() -> dict[str, str]:
    """Return the expressions of ``SnippetsDocument`` in the contract.

    An expression evaluates to an object whose ``repr`` is JSON. All names that it defines live in a
    namespace of its own.
    """
    source = Path(__file__).with_name("kernel_state.py").read_text(encoding="utf-8")
    return {
        action: _EXPRESSION.format(source=source, action=action) for action in ("state", "release")
    }
