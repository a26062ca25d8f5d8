"""Sentences that remember how they were made. Pure: the policy makes them, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


SENTENCES = "{text} {part}"
"""The template of :func:`sentences`."""


class Message(str):
    """A sentence for a person: its English text, and what it was made of.

    ::

        Message("{free} of {total} GPUs are free.", free=2, total=4)

    The template is a literal, because the catalogs are compared with the templates in the code.
    A value that is a message itself is translated with the sentence around it. Composing messages
    otherwise (``+``, f-strings, ``join``) yields a plain string that stays English: use
    :func:`sentences`, or a template.

    Attributes:
        template: the English sentence as for :meth:`str.format`.
        values: what its placeholders stand for.
        plural: the template for other numbers than one; ``None`` if there is no number.
    """

    __slots__ = ("plural", "template", "values")

    template: str
    values: Mapping[str, Any]
    plural: str | None

    def __new__(cls, template: str, /, **values: Any) -> Self:
        """Make a message.

        Raises:
            KeyError: a placeholder has no value.
        """
        return cls.of(template, None, values)

    @classmethod
    def of(cls, template: str, plural: str | None, values: Mapping[str, Any]) -> Self:
        """Make a message of its parts, of which ``values["n"]`` chooses the template."""
        chosen = template if plural is None or values["n"] == 1 else plural
        return cls.with_text(chosen.format_map(values), template, plural, values)

    @classmethod
    def with_text(
        cls, text: str, template: str, plural: str | None, values: Mapping[str, Any]
    ) -> Self:
        """Make a message with another English text than its template has."""
        message = super().__new__(cls, text)
        message.template, message.plural, message.values = template, plural, values
        return message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).with_text, (str(self), self.template, self.plural, dict(self.values))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def counted(singular: str, plural: str, n: float, /, **values: Any) -> Message:
    """Return the message for a number, which the templates know as ``{n}``.

    ::

        counted("{n} GPU is free.", "{n} GPUs are free.", free)

    Args:
        singular: the template for the number 1.
        plural: the template for all others.
        n: the number.
        **values: what other placeholders stand for.
    """
    return Message.of(singular, plural, {"n": n, **values})


def worded(text: str, message: str) -> str:
    """Return *text*, which is translated as *message* is: for words that programs read, too."""
    if not isinstance(message, Message):
        return text
    return Message.with_text(text, message.template, message.plural, message.values)


def sentences(*parts: str) -> str:
    """Return sentences one after the other, without those that are empty."""
    text = ""
    for part in parts:
        if part:
            text = Message("{text} {part}", text=text, part=part) if text else part
    return text


def message_of(error: BaseException) -> str:
    """Return what an error says, as a message if it was raised with one; ``str(error)`` is not."""
    said = error.args[0] if error.args else None
    return said if isinstance(said, Message) else str(error)
