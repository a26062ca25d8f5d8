"""How a quota document is described and checked.

The description is for the OpenAPI document; :mod:`gpudock.policy.quota.documents` checks. A test
holds the two together.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from gpudock.policy.quota.documents import MAX_VALUE, parse_document

_COUNT = {"type": ["integer", "null"], "minimum": 0, "maximum": MAX_VALUE}
_AMOUNT = {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": MAX_VALUE}
_HOURS = {"type": ["number", "null"], "minimum": 0, "maximum": MAX_VALUE}
_PATTERN = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^[^\x00-\x1f\x7f-\x9f]+$",
}

_FIELDS: dict[str, dict[str, Any]] = {
    "max_gpus": {**_COUNT, "description": "GPUs at once; a slot of a shared GPU counts as one"},
    "gpu_hours": {**_HOURS, "description": "GPU-hours in any `window_days` days"},
    "window_days": {**_AMOUNT, "description": "Length of the rolling window; null: since ever"},
    "session_hours": {**_AMOUNT, "description": "How long a session lasts unless extended"},
    "max_session_hours": {**_AMOUNT, "description": "Longest session, extensions included"},
    "idle_minutes": {**_AMOUNT, "description": "A GPU that is idle for longer is taken back"},
    "weight": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": MAX_VALUE,
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
    """Return the JSON schema of a document; of a group's with what only that may set."""
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
                "description": "Fields that hold instead until a moment",
                "additionalProperties": False,
                "required": ["until"],
                "minProperties": 2,
                "properties": {
                    "until": {
                        "type": "string",
                        "format": "date-time",
                        "description": "The moment, with its offset from UTC",
                    },
                    **fields,
                },
            },
        },
    }


def _check(level: str) -> BeforeValidator:
    """Let the check of documents say what is wrong with one; the sentence is for a person."""

    def checked(value: Any) -> Any:
        parse_document(value, level)
        return value

    return BeforeValidator(checked)


Document = Annotated[dict[str, Any], _check("user"), WithJsonSchema(schema(group=False))]
"""The document of a user or the default."""

GroupDocument = Annotated[dict[str, Any], _check("group"), WithJsonSchema(schema(group=True))]
"""The document of a group, which may set whatever one of any level may."""
