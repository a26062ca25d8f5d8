"""The OpenAPI 3.1 document, made of the operations' declarations."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, TypeAdapter
from pydantic.json_schema import models_json_schema

from gpudock import __version__
from gpudock.config.shared_volume import desk_prefix
from gpudock.desk.endpoints import JSON
from gpudock.desk.schema import Shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.desk.endpoints import Operation

_REF = "#/components/schemas/{model}"

_REFUSALS = {
    400: "The request makes no sense; nothing was changed.",
    401: "There is no token of the Hub with it.",
    403: "Whoever asks may not do so.",
    404: "There is no such thing, or whoever asks may not know of it.",
    409: "It cannot be done as things stand; nothing was changed.",
    412: "The document was changed by somebody else meanwhile; nothing was changed now.",
    413: "The body is too long.",
    415: "The body is of the wrong type.",
    422: "The request is as described here and makes no sense all the same; nothing was changed.",
    503: "The Hub or the database does not answer at the moment; nothing was changed.",
}

_CONDITIONS = [
    {
        "name": "If-Match",
        "in": "header",
        "description": "Change the document only if it is this one: its `ETag`, with the quotes or"
        " without, or `*` for any.",
        "schema": {"type": "string", "pattern": r'^(\*|[0-9]{1,18}|"[0-9]{1,18}")$'},
    },
    {
        "name": "If-None-Match",
        "in": "header",
        "description": "`*`: set the document only if there is none. Not together with `If-Match`.",
        "schema": {"type": "string", "enum": ["*"]},
    },
]


class Problem(Shown):
    """Why something was not done."""

    error: str = Field(description="A short label for programs")
    message: str = Field(description="What happened, why, and what to do, for people")


def document(operations: Iterable[Operation], prefix: str = desk_prefix()) -> dict[str, Any]:
    """Return the document of these operations.

    Args:
        operations: what can be asked.
        prefix: the desk's own path, with a slash at both ends.
    """
    operations = list(operations)
    bodies = {item.body for item in operations if _is_model(item.body)}
    answers = {item.answer for item in operations if item.answer is not None} | {Problem}
    models: Any = [(model, "validation") for model in sorted(bodies, key=_name)]
    models += [(model, "serialization") for model in sorted(answers, key=_name)]
    references, definitions = models_json_schema(models, ref_template=_REF)
    paths: dict[str, Any] = {}
    for operation in operations:
        item = paths.setdefault(f"/{operation.path}", {})
        item[operation.method.lower()] = _operation(operation, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gpudock",
            "version": __version__,
            "description": (
                "GPUs, sessions, the queue, quotas and their use. Times are seconds since 1970"
                " (UTC), memory is MiB. Errors are answered as `Problem`."
            ),
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": f"{prefix}api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the Hub, made on its page «Token».",
                }
            },
        },
    }


def _operation(operation: Operation, references: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": f"{operation.description} It is for {operation.audience.value}.",
        "responses": _responses(operation, references),
    }
    parameters = [*_path_parameters(operation), *_query_parameters(operation)]
    if operation.conditional and operation.method != "GET":
        parameters += copy.deepcopy(_CONDITIONS)
    if parameters:
        found["parameters"] = parameters
    if operation.body is not None:
        schema = (
            references[operation.body, "validation"]
            if _is_model(operation.body)
            else TypeAdapter(operation.body).json_schema()
        )
        found["requestBody"] = {
            "required": operation.body_required,
            "content": {operation.body_media: {"schema": schema}},
        }
    return found


def _responses(operation: Operation, references: dict[Any, Any]) -> dict[str, Any]:
    answered: dict[str, Any] = {"description": "It is done."}
    if operation.media:
        answered["content"] = {}
    for media in operation.media:
        schema: Any = {"type": "string"}
        if media == JSON:
            model = operation.answer
            schema = {"type": "object"} if model is None else references[model, "serialization"]
        answered["content"][media] = {"schema": schema}
    if operation.conditional and operation.media:
        answered["headers"] = {
            "ETag": {
                "description": "The document's revision.",
                "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
            }
        }
    statuses = {400, 401, 403, 503, *operation.errors}
    if operation.path_types:
        statuses.add(404)
    if operation.body is not None:
        statuses |= {413, 415}
    if operation.conditional and operation.method != "GET":
        statuses.add(412)
    problem = {JSON: {"schema": references[Problem, "serialization"]}}
    return {
        str(operation.status): answered,
        **{
            str(status): {"description": _REFUSALS[status], "content": problem}
            for status in sorted(statuses)
        },
    }


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": operation.path_types[name].json_schema(),
        }
        for name in re.findall(r"{(\w+)}", operation.path)
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    schema = operation.query.model_json_schema()
    parameters = []
    for name, found in schema.get("properties", {}).items():
        described: dict[str, Any] = dict(found)
        described.pop("title", None)
        description = described.pop("description", "")
        options = described.get("anyOf")
        if options and {"type": "null"} in options:  # a parameter that is left out is no null
            rest = [option for option in options if option != {"type": "null"}]
            described.pop("anyOf")
            described.update(rest[0] if len(rest) == 1 else {"anyOf": rest})
        if described.get("default", 0) is None:
            del described["default"]
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", []),
                "description": description,
                "schema": described,
            }
        )
    return parameters


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _name(model: Any) -> str:
    return str(model.__name__)
