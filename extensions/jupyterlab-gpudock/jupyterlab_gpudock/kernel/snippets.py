"""The expressions with which the front end asks a running kernel for torch's live state."""

from __future__ import annotations

from pathlib import Path

_EXPRESSION = (
    "(lambda space: (__import__('builtins').exec({source!r}, space), "
    "space['answer']({question!r}))[1])({{'__name__': 'gpudock'}})"
)


def snippets() -> dict[str, str]:
    """An expression for each question, as ``SnippetsDocument`` of the contract says.

    An expression evaluates to an object whose text is JSON. All names that it makes live in a
    namespace that ends with it.
    """
    source = Path(__file__).with_name("kernel_state.py").read_text(encoding="utf-8")
    return {
        question: _EXPRESSION.format(source=source, question=question)
        for question in ("state", "release")
    }
