"""The OpenAPI 3.1 document, generated from the endpoints.

``python -m gpudock.desk.openapi`` prints it.
"""

from __future__ import annotations

import copy
import json
import re
import sys
from typing import TYPE_CHECKING, Any

from pydantic import Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from gpudock import __version__
from gpudock.config.shared_volume import desk_prefix
from gpudock.desk.endpoints import JSON, PATH_TYPES
from gpudock.desk.schema import ResponseModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import core_schema

    from gpudock.desk.endpoints import Endpoint

_REF = "#/components/schemas/{model}"

_ERRORS = {
    400: "The request is not valid; nothing was changed.",
    401: "The request has no token of the Hub.",
    403: "The caller may not do this.",
    404: "There is no such thing, or the caller may not know of it.",
    409: "This cannot be done in the present state; nothing was changed.",
    412: "Somebody else changed the document in the meantime; nothing was changed now.",
    413: "The body is too large.",
    415: "The body has the wrong media type.",
    422: "The request is valid, but cannot be carried out; nothing was changed.",
    503: "The Hub or the database does not answer at the moment; nothing was changed.",
}

_CONDITIONS = [
    {
        "name": "If-Match",
        "in": "header",
        "description": "Change the document only if it is this one: its `ETag`, with or without"
        " quotes, or `*` for any.",
        "schema": {"type": "string", "pattern": r'^(\*|[0-9]{1,18}|"[0-9]{1,18}")$'},
    },
    {
        "name": "If-None-Match",
        "in": "header",
        "description": "`*`: set the document only if there is none. Not together with `If-Match`.",
        "schema": {"type": "string", "enum": ["*"]},
    },
]


class Error(ResponseModel):
    """Why a request failed."""

    error: str = Field(description="A short label for programs")
    message: str = Field(description="What happened, why, and what to do, for people")


class _Schemas(GenerateJsonSchema):
    """Gives no default to a field that may be left out: null and left out are the same."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", "") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def document(endpoints: Iterable[Endpoint], prefix: str = desk_prefix()) -> dict[str, Any]:
    """Return the document.

    Args:
        endpoints: what it describes.
        prefix: the desk's own path, with a slash at both ends.
    """
    endpoints = list(endpoints)
    types: dict[Any, Any] = {(item.body, "validation"): None for item in endpoints if item.body}
    types |= {(item.answer, "serialization"): None for item in endpoints if item.answer}
    types[Error, "serialization"] = None
    schemas, definitions = TypeAdapter.json_schemas(
        [(kind, mode, TypeAdapter(kind)) for kind, mode in sorted(types, key=_name)],
        ref_template=_REF,
        schema_generator=_Schemas,
    )
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        methods = paths.setdefault(f"/{endpoint.path}", {})
        methods[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gpudock",
            "version": __version__,
            "description": (
                "GPUs, sessions, the queue, quotas and usage. Times are Unix times in seconds,"
                " memory is MiB. Errors are answered as `Error`."
            ),
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": f"{prefix}api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the Hub, made on its Token page.",
                }
            },
        },
    }


def _name(key: tuple[Any, str]) -> tuple[str, str]:
    kind, mode = key
    return kind.__name__, mode


def _operation(endpoint: Endpoint, schemas: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": f"{endpoint.description} This is for {endpoint.audience.value}.",
        "responses": _responses(endpoint, schemas),
    }
    parameters = [*_path_parameters(endpoint), *_query_parameters(endpoint)]
    if endpoint.conditional and endpoint.method != "GET":
        parameters += copy.deepcopy(_CONDITIONS)
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": endpoint.body_required,
            "content": {endpoint.body_media: {"schema": schemas[endpoint.body, "validation"]}},
        }
    return operation


def _responses(endpoint: Endpoint, schemas: dict[Any, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Success."}
    if endpoint.media:
        success["content"] = {
            media: {
                "schema": schemas[endpoint.answer, "serialization"]
                if media == JSON
                else {"type": "string"}
            }
            for media in endpoint.media
        }
        if endpoint.conditional:
            success["headers"] = {
                "ETag": {
                    "description": "The document's revision.",
                    "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
                }
            }
    statuses = {400, 401, 403, 503, *endpoint.errors}
    if "{" in endpoint.path:
        statuses.add(404)
    if endpoint.body is not None:
        statuses |= {413, 415}
    if endpoint.conditional and endpoint.method != "GET":
        statuses.add(412)
    error = {JSON: {"schema": schemas[Error, "serialization"]}}
    return {
        str(endpoint.status): success,
        **{
            str(status): {"description": _ERRORS[status], "content": error}
            for status in sorted(statuses)
        },
    }


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": PATH_TYPES[name].json_schema(),
        }
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    schema = endpoint.query.model_json_schema(schema_generator=_Schemas)
    parameters = []
    for name, found in schema.get("properties", {}).items():
        described: dict[str, Any] = dict(found)
        described.pop("title", None)
        description = described.pop("description", "")
        options = [item for item in described.pop("anyOf", ()) if item != {"type": "null"}]
        if options:  # a parameter that is left out is not null
            described.update(options[0] if len(options) == 1 else {"anyOf": options})
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


if __name__ == "__main__":
    from gpudock.desk.api import ENDPOINTS

    json.dump(document(ENDPOINTS), sys.stdout, indent=2)
