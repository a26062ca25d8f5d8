"""Quota documents: what one level may say, and what is wrong with one that says something else."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from gpudock.language import Message
from gpudock.model import Quota
from gpudock.policy.quota.errors import QuotaDocumentError

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = ("default", "group", "user")
"""The levels at which a document may stand; the later ones come before the earlier ones."""

FIELDS = tuple(item.name for item in fields(Quota))
"""The limits that a document of any level may set."""

GROUP_FIELDS = ("group_max_gpus", "group_gpu_hours")
"""The limits of a group as a whole, which only a group's document may set."""

BOOST = "boost"
UNTIL = "until"

MAX_VALUE = 1_000_000
"""No limit of a lab is beyond this; a larger number is a typing error."""
MIN_AMOUNT = 0.01
"""A smaller number of hours, days or minutes is a typing error, unless it is 0."""
MIN_WEIGHT = 0.001
MAX_WEIGHT = 1000
"""Beyond these weights others have next to nothing, or nobody notices a difference."""
_MAX_NAME = 255
_MAX_PATTERNS = 100
_LEVEL_NAMES = {"group": Message("group"), "user": Message("user")}
# What stands for no limit in a document. A table has another word, see :func:`with_null`.
_NULL = "null"


def check_place(level: str, name: str) -> None:
    """Check that a document may stand at *level* for *name*.

    Whether there is such a user or group is not asked: a document may come before they do, and
    stays when they go.

    Raises:
        QuotaDocumentError: there is no such level, or the name cannot be one.
    """
    if level not in LEVELS:
        raise QuotaDocumentError(
            Message('A quota is set for "default", for a "group" or for a "user".')
        )
    if level == "default":
        if name:
            raise QuotaDocumentError(Message("The default quota has no name."))
        return
    if not 0 < len(name) <= _MAX_NAME:
        raise QuotaDocumentError(
            Message(
                "The name of a {level} has 1 to {most} characters.",
                level=_LEVEL_NAMES[level],
                most=_MAX_NAME,
            )
        )
    if not _is_text(name):
        raise QuotaDocumentError(
            Message("The name of a {level} has no control characters.", level=_LEVEL_NAMES[level])
        )


def named(level: str, name: str) -> Message:
    """Return a level's document by its level and name, for sentences."""
    if level == "group":
        return Message('group "{name}"', name=name)
    return Message('user "{name}"', name=name) if name else Message("default")


def with_null(text: str, null: str) -> str:
    """Return a sentence on a document with another word for no limit than its ``null``."""
    if not isinstance(text, Message) or "null" not in text.values:
        return text
    return Message.of(text.template, text.plural, {**text.values, "null": null})


def parse_document(document: object, level: str) -> dict[str, Any]:
    """Check a level's partial document and return it with numbers and lists in one form.

    Args:
        document: field names to values; ``boost`` holds an object of fields with ``until``.
        level: ``default``, ``group`` or ``user``.

    Raises:
        QuotaDocumentError: a field is unknown at this level, or its value makes no sense.
    """
    if not isinstance(document, Mapping):
        example = '{"max_gpus": 2}'
        raise QuotaDocumentError(
            Message("A quota is an object of fields, for example {example}.", example=example)
        )
    parsed: dict[str, Any] = {}
    for name, value in document.items():
        parsed[name] = _boost(value, level) if name == BOOST else _field(name, value, level)
    return parsed


def within_bounds(name: str, value: Any) -> Any:
    """Return the value of a limit as it counts: a number beyond its bounds counts as the nearest.

    An earlier version, or a configuration, may have stored what :func:`parse_document` refuses.
    """
    if name not in _BOUNDS or value is None:
        return value
    low, high, zero = _BOUNDS[name]
    # In this order, so that what is no number counts as the least.
    nearest = 0 if zero and value <= 0 else min(high, max(low, value))
    return int(nearest) if name in _COUNTS else nearest


def boost_end(boost: Mapping[str, Any]) -> float:
    """Return the Unix time at which a parsed boost ends."""
    return dt.datetime.fromisoformat(boost[UNTIL]).timestamp()


def _field(name: object, value: object, level: str) -> Any:
    parser = _PARSERS.get(name) if isinstance(name, str) else None
    if parser is None or not isinstance(name, str):
        known = ", ".join((*FIELDS, *(GROUP_FIELDS if level == "group" else ()), BOOST))
        raise QuotaDocumentError(
            Message('A quota has no field "{name}". Use one of: {known}.', name=name, known=known)
        )
    if name in GROUP_FIELDS and level != "group":
        raise QuotaDocumentError(
            Message(
                "{name} limits a group as a whole, so only a group's quota can have it.", name=name
            )
        )
    return parser(name, value)


def _boost(value: object, level: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise QuotaDocumentError(
            Message('boost is an object with "until" and the fields that apply until then.')
        )
    if UNTIL not in value:
        raise QuotaDocumentError(Message('A boost needs "until", the time at which it ends.'))
    until = _moment(value[UNTIL])
    boosted = {name: _field(name, item, level) for name, item in value.items() if name != UNTIL}
    if not boosted:
        raise QuotaDocumentError(
            Message('A boost needs another field than "until", for example max_gpus.')
        )
    return {UNTIL: until, **boosted}


def _moment(value: object) -> str:
    problem = Message(
        'The "until" of a boost is a date and time with its offset from UTC, for example'
        ' "2026-12-01T18:00:00+01:00".'
    )
    if not isinstance(value, str):
        raise QuotaDocumentError(problem)
    try:
        moment = dt.datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise QuotaDocumentError(problem)
        return moment.astimezone(dt.UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError) as error:
        raise QuotaDocumentError(problem) from error


def _count(name: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_VALUE:
        msg = Message(
            "{name} is a whole number from 0 to {most}, or {null} for no limit.",
            name=name,
            most=MAX_VALUE,
            null=_NULL,
        )
        raise QuotaDocumentError(msg)
    return value


def _amount(name: str, value: object) -> float:
    low, high, zero = _BOUNDS[name]
    if isinstance(value, int | float) and not isinstance(value, bool):
        # A huge int does not fit a float; compare before converting.
        if low <= value <= high:
            return float(value)
        if zero and value == 0:
            return 0.0
    if zero:
        problem = Message(
            "{name} is 0, or a number from {low:g} to {high:,}.", name=name, low=low, high=high
        )
    else:
        problem = Message(
            "{name} is a number from {low:g} to {high:,}.", name=name, low=low, high=high
        )
    raise QuotaDocumentError(problem)


def _amount_or_none(name: str, value: object) -> float | None:
    return None if value is None else _amount(name, value)


def _patterns(name: str, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if (
        not isinstance(value, list | tuple)
        or len(value) > _MAX_PATTERNS
        or not all(isinstance(v, str) and 0 < len(v) <= _MAX_NAME for v in value)
        or not all(map(_is_text, value))
    ):
        msg = Message(
            '{name} is a list of model patterns such as "*A100*", or {null} for all models.',
            name=name,
            null=_NULL,
        )
        raise QuotaDocumentError(msg)
    return tuple(value)


def _is_text(value: str) -> bool:
    """Return whether *value* has no control characters and no halves of surrogate pairs."""
    return all(unicodedata.category(character) not in ("Cc", "Cs") for character in value)


# Field to the least and the largest number that make sense, and whether 0 does as well.
_BOUNDS: dict[str, tuple[float, float, bool]] = {
    "max_gpus": (0, MAX_VALUE, True),
    "gpu_hours": (MIN_AMOUNT, MAX_VALUE, True),
    "window_days": (MIN_AMOUNT, MAX_VALUE, False),
    "session_hours": (MIN_AMOUNT, MAX_VALUE, False),
    "max_session_hours": (MIN_AMOUNT, MAX_VALUE, False),
    "idle_minutes": (MIN_AMOUNT, MAX_VALUE, False),
    "weight": (MIN_WEIGHT, MAX_WEIGHT, False),
    "group_max_gpus": (0, MAX_VALUE, True),
    "group_gpu_hours": (MIN_AMOUNT, MAX_VALUE, True),
}

_COUNTS = ("max_gpus", "group_max_gpus")

_PARSERS: dict[str, Callable[[str, object], Any]] = {
    "max_gpus": _count,
    "gpu_hours": _amount_or_none,
    "window_days": _amount_or_none,
    "session_hours": _amount_or_none,
    "max_session_hours": _amount_or_none,
    "idle_minutes": _amount_or_none,
    "weight": _amount,
    "gpu_models": _patterns,
    "group_max_gpus": _count,
    "group_gpu_hours": _amount_or_none,
}
