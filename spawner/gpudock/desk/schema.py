"""The types of the values in requests and responses: how they are read, checked and described."""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from gpudock.language import Message, message_of
from gpudock.language.catalog import localized
from gpudock.model import is_gpu_uuid

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TEXT_LENGTH = 255
MAX_TIME = 253402300800.0
"""Unix time of the year 10000, which no calendar has."""
_MAX_NUMBER = 10**9


class RequestModel(BaseModel):
    """A part of a request, without unknown fields and without conversions between types."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class ResponseModel(BaseModel):
    """A part of a response. It can be read from an object with the attributes of its fields."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, frozen=True, from_attributes=True
    )


def rounded(digits: int) -> AfterValidator:
    """Return a validator that rounds a number."""
    return AfterValidator(lambda value: round(value, digits))


def _as_it_is(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Keep a message; a validated string would have lost what it is translated by."""
    return value if isinstance(value, Message) else validate(value)


Sentence = Annotated[
    str, WrapValidator(_as_it_is), PlainSerializer(localized, return_type=str, when_used="json")
]
"""A sentence for people in a response, which is sent in the language of its reader."""


def is_text(value: str) -> bool:
    """Return whether *value* has neither control characters nor unpaired surrogates."""
    return all(unicodedata.category(character) not in ("Cc", "Cs") for character in value)


def _text(value: str) -> str:
    if not is_text(value):
        raise ValueError(Message("it contains control characters"))
    return value


def _uuid(value: str) -> str:
    if not is_gpu_uuid(value):
        raise ValueError(Message("it is not the full UUID of a GPU, such as GPU-8f6e…"))
    return value


def _whole_number(value: Any) -> Any:
    """Read digits only, not everything that Python reads as a number."""
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"-?[0-9]{1,9}", value) is None:
        raise ValueError(Message("it is not a whole number"))
    return int(value)


def _hours(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(Message("it is not a number"))
    # A huge int fits no float: compare before converting.
    if not (0 < value <= _MAX_NUMBER) or not math.isfinite(value):
        raise ValueError(Message("it is not a number of hours above 0"))
    return float(value)


def _moment(value: Any) -> Any:
    """Read a date, a date and time, or Unix time."""
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"[0-9]{1,300}(\.[0-9]{1,300})?(e[+-]?[0-9]{1,3})?", value, re.ASCII | re.I):
        if float(value) > MAX_TIME:
            raise ValueError(Message("it is after the year 9999"))
        return float(value)
    try:
        moment = dt.datetime.fromisoformat(value)
    except ValueError:
        problem = Message(
            "it is neither a date, such as 2026-11-23 or 2026-11-23T12:00:00Z, nor Unix time"
        )
        raise ValueError(problem) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    # Near the years 1 and 9999 a conversion to UTC may overflow; arithmetic does not.
    offset = moment.utcoffset() or dt.timedelta()
    epoch = dt.datetime(1970, 1, 1)  # noqa: DTZ001 (both sides have no time zone)
    seconds = (moment.replace(tzinfo=None) - epoch - offset).total_seconds()
    return min(max(seconds, 0.0), MAX_TIME)


Text = Annotated[
    str,
    AfterValidator(_text),
    Field(max_length=MAX_TEXT_LENGTH, json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"}),
]
"""Text that people type: a search, part of a name."""

Name = Annotated[
    str,
    AfterValidator(_text),
    Field(
        min_length=1,
        max_length=MAX_TEXT_LENGTH,
        json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f-\x9f]+$"},
    ),
]
"""The name of a user or group, which need not exist."""

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
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": _MAX_NUMBER}),
]

Offset = Annotated[int, Field(ge=0, le=_MAX_NUMBER - 1), BeforeValidator(_whole_number)]
"""How many rows to skip."""

Limit = Annotated[int, Field(ge=1, le=500), BeforeValidator(_whole_number)]
"""How many rows to return at most."""

Moment = Annotated[
    float,
    BeforeValidator(_moment),
    WithJsonSchema(
        {
            "description": "A date (UTC), a date and time with its offset, or Unix time",
            "anyOf": [
                {"type": "string", "format": "date"},
                {"type": "string", "format": "date-time"},
                {"type": "number", "minimum": 0, "maximum": MAX_TIME},
            ],
        }
    ),
]
"""A time in a query, read as Unix time; before 1970 counts as 1970."""

_REASONS = {
    "missing": Message("it is missing"),
    "extra_forbidden": Message("there is no such field"),
    "string_type": Message("it is not a string"),
    "int_type": Message("it is not a whole number"),
    "int_parsing": Message("it is not a whole number"),
    "float_type": Message("it is not a number"),
    "bool_type": Message("it is not a boolean"),
    "list_type": Message("it is not a list"),
    "dict_type": Message("it is not an object"),
    "model_type": Message("it is not an object"),
    "model_attributes_type": Message("it is not an object"),
}


_WHOLES = {"the body": Message("The body"), "the address": Message("The address")}


def sentence(error: ValidationError, whole: str) -> str:
    """Return one sentence on the first error that validation found in a request.

    Args:
        error: the errors.
        whole: what was validated, for example ``the body``.
    """
    found = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in found["loc"] if not str(part).startswith("function-"))
    if found["type"] == "value_error":
        reason = message_of(found["ctx"]["error"])
        if reason.endswith("."):  # a sentence of its own
            return reason
    else:
        message = found["msg"]
        reason = _reason(found["type"], found.get("ctx", {})) or message[:1].lower() + message[1:]
    place: str = _WHOLES.get(whole) or whole[0].upper() + whole[1:]
    if where:
        place = Message('{whole}: "{where}"', whole=place, where=where)
    return Message("{place} is not valid: {reason}.", place=place, reason=reason)


def _reason(kind: str, limits: Mapping[str, Any]) -> Message | None:
    """Return what is wrong with a value, by the type of Pydantic's error and what it expected."""
    match kind:
        case "greater_than_equal":
            return Message("it is less than {limit}", limit=limits["ge"])
        case "greater_than":
            return Message("it is not more than {limit}", limit=limits["gt"])
        case "less_than_equal":
            return Message("it is more than {limit}", limit=limits["le"])
        case "less_than":
            return Message("it is not less than {limit}", limit=limits["lt"])
        case "string_too_long":
            return Message("it has more than {limit} characters", limit=limits["max_length"])
        case "string_too_short":
            return Message("it has fewer than {limit} characters", limit=limits["min_length"])
        case "too_long":
            return Message("it has more than {limit} items", limit=limits["max_length"])
        case "too_short":
            return Message("it has fewer than {limit} items", limit=limits["min_length"])
        case "string_pattern_mismatch":
            return Message("it does not have the form that is expected")
        case "literal_error" | "enum":
            choices = str(limits["expected"]).replace(" or ", ", ").replace("'", '"')
            return Message("it is none of {choices}", choices=choices)
        case _:
            return _REASONS.get(kind)
