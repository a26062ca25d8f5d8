"""The JSON schema of a quota document.

The schema is for the OpenAPI document; :mod:`gpudock.policy.quota.documents` checks. A test holds
the two together.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from typing_extensions import TypeAliasType

from gpudock.policy.quota.documents import (
    MAX_VALUE,
    MAX_WEIGHT,
    MIN_AMOUNT,
    MIN_WEIGHT,
    parse_document,
)

_COUNT = {"type": ["integer", "null"], "minimum": 0, "maximum": MAX_VALUE}
_AMOUNT = {"type": ["number", "null"], "minimum": MIN_AMOUNT, "maximum": MAX_VALUE}
_HOURS = {
    "type": ["number", "null"],
    "minimum": 0,
    "maximum": MAX_VALUE,
    "not": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": MIN_AMOUNT},
}
_PATTERN = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^[^\x00-\x1f\x7f-\x9f]+$",
}

_FIELDS: dict[str, dict[str, Any]] = {
    "max_gpus": {**_COUNT, "description": "GPUs at once; a slot of a shared GPU counts as one"},
    "gpu_hours": {**_HOURS, "description": "GPU-hours in any `window_days` days"},
    "window_days": {**_AMOUNT, "description": "Length of the rolling window; null: all time"},
    "session_hours": {**_AMOUNT, "description": "Length of a session that is not extended"},
    "max_session_hours": {**_AMOUNT, "description": "Longest session, extensions included"},
    "idle_minutes": {**_AMOUNT, "description": "A GPU that is idle for longer is taken back"},
    "weight": {
        "type": "number",
        "minimum": MIN_WEIGHT,
        "maximum": MAX_WEIGHT,
        "description": "Share of a busy lab",
    },
    "gpu_models": {
        "type": ["array", "null"],
        "items": _PATTERN,
        "maxItems": 100,
        "description": "Patterns of models that may be used",
    },
}
_GROUP_FIELDS: dict[str, dict[str, Any]] = {
    "group_max_gpus": {**_COUNT, "description": "GPUs at once of all members together"},
    "group_gpu_hours": {**_HOURS, "description": "GPU-hours of all members together"},
}


def schema(*, group: bool) -> dict[str, Any]:
    """Return the JSON schema of a document; a group's has fields that others do not have."""
    fields = {**_FIELDS, **_GROUP_FIELDS} if group else _FIELDS
    return {
        "type": "object",
        "title": "GroupQuotaDocument" if group else "QuotaDocument",
        "description": "Limits; a field that is left out is not set at this level, null is no"
        " limit",
        "additionalProperties": False,
        "properties": {
            **fields,
            "boost": {
                "type": "object",
                "description": "Fields that apply instead until a given time",
                "additionalProperties": False,
                "required": ["until"],
                "minProperties": 2,
                "properties": {
                    "until": {
                        "type": "string",
                        "format": "date-time",
                        "description": "The time, with its offset from UTC",
                    },
                    **fields,
                },
            },
        },
    }


def _checked(level: str) -> BeforeValidator:
    """Return a validator with the messages of :func:`parse_document`."""

    def check(value: Any) -> Any:
        parse_document(value, level)
        return value

    return BeforeValidator(check)


QuotaDocument = TypeAliasType(
    "QuotaDocument",
    Annotated[dict[str, Any], _checked("user"), WithJsonSchema(schema(group=False))],
)
"""The document of a user or the default."""

GroupQuotaDocument = TypeAliasType(
    "GroupQuotaDocument",
    Annotated[dict[str, Any], _checked("group"), WithJsonSchema(schema(group=True))],
)
"""The document of a group, which may set every field."""
