"""The kinds of value that requests have: how each is written, checked, and described."""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)

from gpudock.model import is_gpu_uuid

LONGEST_TEXT = 255
LATEST = 253402300800.0
"""Unix time of the year 10000, behind which no calendar goes."""
_LARGEST = 10**9


class Strict(BaseModel):
    """A part of a request: nothing unknown is in it, and nothing is of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Shown(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


def is_text(value: str) -> bool:
    """Tell whether there are neither control characters in it nor halves of characters."""
    return all(unicodedata.category(character) not in ("Cc", "Cs") for character in value)


def _text(value: str) -> str:
    if not is_text(value):
        raise ValueError("it contains control characters")
    return value


def _uuid(value: str) -> str:
    if not is_gpu_uuid(value):
        raise ValueError("it is not the full UUID of a GPU, such as GPU-8f6e…")
    return value


def _whole_number(value: Any) -> Any:
    """Read digits, and nothing else that Python would take for a number."""
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"-?[0-9]{1,9}", value) is None:
        raise ValueError("it is not a whole number")
    return int(value)


def _hours(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("it is not a number")
    # A huge int fits no float: compare before converting.
    if not (0 < value <= _LARGEST) or not math.isfinite(value):
        raise ValueError("it is not a number of hours above 0")
    return float(value)


def _moment(value: Any) -> Any:
    """Read a date, a date and time, or seconds since 1970."""
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"[0-9]{1,300}(\.[0-9]{1,300})?(e[+-]?[0-9]{1,3})?", value, re.ASCII | re.I):
        if float(value) > LATEST:
            raise ValueError("no calendar goes as far as that")
        return float(value)
    try:
        moment = dt.datetime.fromisoformat(value)
    except ValueError:
        problem = "it is neither a date, such as 2026-11-23 or 2026-11-23T12:00:00Z, nor Unix time"
        raise ValueError(problem) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    # Near year 1 or 9999 the calendar has no UTC for every offset; arithmetic does.
    offset = moment.utcoffset() or dt.timedelta()
    epoch = dt.datetime(1970, 1, 1)  # noqa: DTZ001 (both sides are without a zone)
    seconds = (moment.replace(tzinfo=None) - epoch - offset).total_seconds()
    return min(max(seconds, 0.0), LATEST)


Text = Annotated[
    str,
    AfterValidator(_text),
    Field(max_length=LONGEST_TEXT, json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"}),
]
"""Text for people to type in: a search, part of a name."""

Name = Annotated[
    str,
    AfterValidator(_text),
    Field(
        min_length=1,
        max_length=LONGEST_TEXT,
        json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f-\x9f]+$"},
    ),
]
"""The name of a user or group, whether there is one or not."""

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""The id of a lease or a request."""

DeviceUUID = Annotated[
    str,
    AfterValidator(_uuid),
    Field(
        json_schema_extra={
            "pattern": "^(GPU|MIG)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
            "|^MIG-GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[0-9]{1,3}/[0-9]{1,3}$"
        }
    ),
]
"""The full UUID of a GPU or of a MIG slice."""

Hours = Annotated[
    float,
    BeforeValidator(_hours),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": _LARGEST}),
]

Offset = Annotated[int, Field(ge=0, le=_LARGEST - 1), BeforeValidator(_whole_number)]
"""How many rows to leave out."""

Limit = Annotated[int, Field(ge=1, le=500), BeforeValidator(_whole_number)]
"""How many rows to return at most."""

Moment = Annotated[
    float,
    BeforeValidator(_moment),
    WithJsonSchema(
        {
            "description": "A date (UTC), a date and time with its offset, or seconds since 1970",
            "anyOf": [
                {"type": "string", "format": "date"},
                {"type": "string", "format": "date-time"},
                {"type": "number", "minimum": 0, "maximum": LATEST},
            ],
        }
    ),
]
"""A moment in a query, as Unix time; a date before 1970 counts as 1970."""

_KINDS = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such field",
    "string_type": "it is not a text",
    "int_type": "it is not a whole number",
    "int_parsing": "it is not a whole number",
    "float_type": "it is not a number",
    "bool_type": "it is neither true nor false",
    "list_type": "it is not a list",
    "dict_type": "it is not an object",
    "model_type": "it is not an object",
    "model_attributes_type": "it is not an object",
}


def sentence(error: ValidationError, whole: str) -> str:
    """Say in one sentence what is wrong with a request.

    Args:
        error: what validation found; its first finding is told.
        whole: what was validated, for example ``the body``.
    """
    found = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in found["loc"] if not str(part).startswith("function-"))
    if found["type"] == "value_error":
        said = str(found["ctx"]["error"])
        if said.endswith("."):  # a sentence by itself
            return said
    else:
        said = _KINDS.get(found["type"]) or _lower(found["msg"])
    place = f"{whole}: «{where}»" if where else whole
    return f"{place[0].upper()}{place[1:]} is not acceptable: {said}."


def _lower(message: str) -> str:
    return f"{message[:1].lower()}{message[1:]}"
