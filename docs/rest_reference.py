"""Writes the reference of the REST API from the OpenAPI document that the desk serves."""

from __future__ import annotations

from typing import Any

from gpudock.desk.api import ENDPOINTS
from gpudock.desk.api.quota_schema import schema as quota_schema
from gpudock.desk.openapi import document

_HEAD = """\
# Reference: REST API

The desk serves it under `/services/gpudock/api/v1`, below `GPUDOCK_BASE_URL` where that is set,
and describes it there as OpenAPI 3.1 (`openapi.json`). Times are seconds since 1970 (UTC), memory
is MiB.

**Tokens.** Every call needs a token of the Hub, made on its page «Token» or by its REST API:

```sh
curl -H "Authorization: Bearer $TOKEN" https://lab.example/services/gpudock/api/v1/leases/me
```

A token of yours can do what you can, or less, by the scopes that you give it:

| Scope | What it is for |
|---|---|
| `access:services!service=gpudock` | what is your own: sessions, places in the queue, limits, use |
| `custom:gpudock:read` | to see everything of the lab |
| `custom:gpudock:manage` | to change it, too |
| `custom:gpudock:read!group=NAME`, `custom:gpudock:manage!group=NAME` | the same for the members \
of one group: their sessions and use, and their quotas; never the group's own or the default |

Administrators of the Hub have the second and third. Others get them by a role, for example in a
file of `jupyterhub_config.d`:

```python
c.JupyterHub.load_roles.append(
    {"name": "vision-lead", "scopes": ["custom:gpudock:manage!group=vision"], "users": ["lea"]}
)
```

The token in a user's container (`JUPYTERHUB_API_TOKEN`) can ask for `leases/me`, and for nothing
else. Browsers come with a cookie, and with its XSRF token in the header `X-XSRFToken`.

**Errors** are answered as `{"error": …, "message": …}`: a label for programs and a sentence for
people. Nothing was changed then.

| Status | When |
|---|---|
| 400 | The request makes no sense: an unknown field, a number out of range, no UTF-8 … |
| 401, 403 | There is no valid token; or its owner, or its scopes, do not allow this |
| 404, 405 | There is no such thing, or whoever asks may not know of it; no such method |
| 409 | It cannot be done as things stand |
| 412 | Somebody else changed the document meanwhile; the message names who and when |
| 413, 415 | The body is too long, or of another type |
| 503 | The Hub or the database does not answer at the moment |

**Two who edit at once.** A quota document comes with its revision as `ETag`. A change that sends it
back as `If-Match` is made only if nobody changed the document meanwhile; `If-None-Match: *` demands
that there is none yet.

**Metrics** for Prometheus are at `/services/gpudock/metrics`, for tokens with the scope
`custom:gpudock:read` and for the one in `GPUDOCK_METRICS_TOKEN`.
"""

_QUOTA_DOCUMENTS = ("QuotaDocument", "GroupQuotaDocument")

_QUOTA_FIELDS = """\
What a level's document may set. A field that is left out is not set at that level; `null` is no
limit. `group_max_gpus` and `group_gpu_hours` are for groups only, and limit a group as a whole.
`boost` is an object with `until`, a date and time with its offset from UTC, and the fields that
hold instead until then.
"""


def rest() -> str:
    """Return the whole page."""
    described = document(ENDPOINTS)
    parts = [_HEAD]
    tag = ""
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            if operation["tags"] != [tag]:
                (tag,) = operation["tags"]
                parts += [f"## {tag.capitalize()}", ""]
            parts += _operation(method.upper(), path, operation)
    parts += ["## Quota fields", "", _QUOTA_FIELDS, "| Field | Type | What |", "|---|---|---|"]
    for name, field in quota_schema(group=True)["properties"].items():
        parts.append(f"| `{name}` | {_type(field)} | {field['description']} |")
    parts += ["", "## Objects", ""]
    for name, schema in sorted(described["components"]["schemas"].items()):
        if name not in _QUOTA_DOCUMENTS:
            parts += _object(name, schema)
    return "\n".join(parts).rstrip() + "\n"


def _operation(method: str, path: str, operation: dict[str, Any]) -> list[str]:
    lines = [f"### `{method} {path[1:]}`", "", f"{operation['summary']}.", ""]
    lines += [operation["description"], ""]
    parameters = [item for item in operation.get("parameters", ()) if item["in"] == "query"]
    if parameters:
        lines += ["| Parameter | Type | What |", "|---|---|---|"]
        lines += [
            f"| `{item['name']}` | {_type(item['schema'])} | {_about(item)} |"
            for item in parameters
        ]
        lines.append("")
    body = operation.get("requestBody")
    if body is not None:
        ((media, content),) = body["content"].items()
        needed = "" if body["required"] else ", which may be left out"
        lines += [f"Body: {_type(content['schema'])} as `{media}`{needed}.", ""]
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            types = [
                f"{_type(content['schema'])} as `{media}`"
                for media, content in answer.get("content", {}).items()
            ]
            lines += [f"Answer: {status}, {' or '.join(types) or 'without a body'}.", ""]
    return lines


def _about(parameter: dict[str, Any]) -> str:
    default = parameter["schema"].get("default")
    said = [parameter["description"]] if parameter["description"] else []
    if default not in (None, ""):
        said.append(f"default `{default}`")
    return "; ".join(said)


def _object(name: str, schema: dict[str, Any]) -> list[str]:
    lines = [f"### {name}", ""]
    if "description" in schema:
        lines += [f"{schema['description'].rstrip('.')}.", ""]
    if "properties" in schema:
        lines += ["| Field | Type | What |", "|---|---|---|"]
        for field, described in schema["properties"].items():
            kind = _type(described)
            needed = "" if field in schema.get("required", ()) else ", optional"
            lines.append(f"| `{field}` | {kind}{needed} | {described.get('description', '')} |")
        lines.append("")
    return lines


def _type(schema: dict[str, Any]) -> str:
    """Say in a few words what a schema demands."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in _QUOTA_DOCUMENTS:
            return "[quota fields](#quota-fields)"
        return f"[{name}](#{name.lower()})"
    for joint in ("anyOf", "oneOf"):
        if joint in schema:
            return " or ".join(dict.fromkeys(_type(option) for option in schema[joint]))
    if "enum" in schema:
        shown = schema["enum"] if len(schema["enum"]) <= 8 else [*schema["enum"][:6], "…"]
        return ", ".join(f"`{value}`" for value in shown)
    if "const" in schema:
        return f"`{schema['const']}`"
    kinds = schema.get("type", "anything")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "array" in kinds:
        return f"list of {_type(schema.get('items', {}))}" + (" or null" if "null" in kinds else "")
    return " or ".join([*kinds[:1], *kinds[1:]]) + _range(schema)


def _range(schema: dict[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    if schema.get("format"):
        return f" ({schema['format']})"
    if low is None or high is None:
        return ""
    above = "above " if "exclusiveMinimum" in schema else ""
    return f" ({above}{low:,} to {high:,})" if high < 10**9 - 1 else f" ({above}{low:,} or more)"
