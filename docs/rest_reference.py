"""Write the REST reference from the OpenAPI document that the desk serves."""

from __future__ import annotations

from typing import Any

from gpudock.desk.api import ENDPOINTS
from gpudock.desk.api.quota_schema import schema as quota_schema
from gpudock.desk.openapi import document

_HEAD = """\
# REST API

The desk serves the API under `/services/gpudock/api/v1`, below `GPUDOCK_BASE_URL` if that is set,
and describes it there as OpenAPI 3.1 (`openapi.json`). Times are seconds since 1970 (UTC), memory
is MiB.

**Tokens.** Every call needs a Hub token. Create one on the Hub's page **Token** or with the Hub's
REST API:

```sh
curl -H "Authorization: Bearer $TOKEN" https://lab.example/services/gpudock/api/v1/leases/me
```

Your token can do what you can do, or less, depending on the scopes you give it:

| Scope | What it allows |
|---|---|
| `access:services!service=gpudock` | your own sessions, queue positions, limits and usage |
| `custom:gpudock:read` | see everything in the lab |
| `custom:gpudock:manage` | change it as well |
| `custom:gpudock:read!group=NAME`, `custom:gpudock:manage!group=NAME` | the same for the members \
of one group: their sessions, usage and quotas, but neither the group's own quota nor the default |

Administrators of the Hub have the second and the third. Give them to others with a role, for
example in a file in `jupyterhub_config.d`:

```python
c.JupyterHub.load_roles.append(
    {"name": "vision-lead", "scopes": ["custom:gpudock:manage!group=vision"], "users": ["lea"]}
)
```

The token in a user's container (`JUPYTERHUB_API_TOKEN`) works only for the calls that are
also for users' servers. Browsers send a cookie, and its XSRF token in the header `X-XSRFToken`.

**Errors** are returned as `{"error": …, "message": …}`: a label for programs and a message for
people. A call that fails changes nothing.

**Language.** Sentences for people (`message`, `reason`, `why`, `end_text` …) are in English, or in
Simplified Chinese for a client whose `Accept-Language` prefers it. Labels, files and the audit
trail are the same in all languages, so programs compare those.

| Status | Meaning |
|---|---|
| 400 | The request is invalid: an unknown field, a number out of range, not UTF-8 … |
| 401, 403 | There is no valid token, or its owner or its scopes do not allow this |
| 404, 405 | The object does not exist, or the caller must not know about it; no such method |
| 409 | The current state does not allow it |
| 412 | Somebody else changed the document in the meantime; the message names who and when |
| 413, 415 | The body is too long, or of another type |
| 503 | The Hub or the database does not answer at the moment |

**Concurrent edits.** A quota document comes with its revision as `ETag`. Send it back as
`If-Match`, and the change applies only if nobody changed the document in the meantime.
`If-None-Match: *` requires that there is no document yet.

**Metrics** for Prometheus are at `/services/gpudock/metrics`, for tokens with the scope
`custom:gpudock:read` and for the token in `GPUDOCK_METRICS_TOKEN`.
"""

_QUOTA_DOCUMENTS = ("QuotaDocument", "GroupQuotaDocument")

_QUOTA_FIELDS = """\
What the document of one level can set. A field that is left out is not set at that level; `null`
is no limit. `group_max_gpus` and `group_gpu_hours` are for groups only, and limit a group as a
whole. `boost` is an object with `until`, a date and time with its offset from UTC, and the fields
that apply instead until then.
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
                parts += [f"## {'GPUs' if tag == 'gpus' else tag.capitalize()}", ""]
            parts += _operation(method.upper(), path, operation)
    parts += ["## Quota fields", "", _QUOTA_FIELDS, "| Field | Type | Meaning |", "|---|---|---|"]
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
        lines += ["| Parameter | Type | Meaning |", "|---|---|---|"]
        lines += [
            f"| `{item['name']}` | {_type(item['schema'])} | {_about(item)} |"
            for item in parameters
        ]
        lines.append("")
    body = operation.get("requestBody")
    if body is not None:
        ((media, content),) = body["content"].items()
        needed = "" if body["required"] else ", optional"
        lines += [f"Body: {_type(content['schema'])} as `{media}`{needed}.", ""]
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            types = [
                f"{_type(content['schema'])} as `{media}`"
                for media, content in answer.get("content", {}).items()
            ]
            lines += [f"Response: {status}, {' or '.join(types) or 'no body'}.", ""]
    return lines


def _about(parameter: dict[str, Any]) -> str:
    default = parameter["schema"].get("default")
    said = [parameter["description"]] if parameter["description"] else []
    if default not in (None, ""):
        said.append(f"default `{default}`")
    return "; ".join(said)


def _object(name: str, schema: dict[str, Any]) -> list[str]:
    lines = [f"### {name} object", ""]
    if "description" in schema:
        lines += [f"{schema['description'].rstrip('.')}.", ""]
    if "properties" in schema:
        lines += ["| Field | Type | Meaning |", "|---|---|---|"]
        for field, described in schema["properties"].items():
            kind = _type(described)
            needed = "" if field in schema.get("required", ()) else ", optional"
            lines.append(f"| `{field}` | {kind}{needed} | {described.get('description', '')} |")
        lines.append("")
    return lines


def _type(schema: dict[str, Any]) -> str:
    """Return a short description of the values that a schema allows."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in _QUOTA_DOCUMENTS:
            return "[quota fields](#quota-fields)"
        return f"[{name}](#{name.lower()}-object)"
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
    return " or ".join(kinds) + _range(schema)


def _range(schema: dict[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    if schema.get("format"):
        return f" ({schema['format']})"
    if low is None or high is None:
        return ""
    above = "above " if "exclusiveMinimum" in schema else ""
    return f" ({above}{low:,} to {high:,})" if high < 10**9 - 1 else f" ({above}{low:,} or more)"
