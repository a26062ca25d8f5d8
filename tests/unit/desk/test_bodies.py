"""Bodies of requests: no unknown fields, no conversions between types."""

from __future__ import annotations

import math

import pytest
from pydantic import TypeAdapter, ValidationError

from gpudock.desk import handlers
from gpudock.desk.api.gpus import GPUChange
from gpudock.desk.api.leases import Extension
from gpudock.desk.api.quota_models import QuotaChanges

CHANGE = {"level": "user", "name": "ada", "document": {"max_gpus": 1}}


def changes(**fields: object) -> dict[str, object]:
    return {"changes": [{**CHANGE, **fields}]}


GOOD = [
    (GPUChange, {"slots": 2}),
    (GPUChange, {"state": "active"}),
    (Extension, {}),
    (Extension, {"hours": 1}),
    (Extension, {"hours": 0.5}),
    (QuotaChanges, changes()),
    (QuotaChanges, changes(revision=3)),
]
BAD = [
    *((GPUChange, {"slots": slots}) for slots in ("2", 2.5, True, [2], None, 0, -1, 17, 10**30)),
    *((GPUChange, {"state": state}) for state in ("ACTIVE", "lost", 1, True, None, ["active"])),
    (GPUChange, {}),
    (GPUChange, {"slots": 2, "state": "active"}),
    (GPUChange, {"slots": 2, "by": "root"}),
    (GPUChange, [{"slots": 2}]),
    *(
        (Extension, {"hours": hours})
        for hours in ("1", True, [1], 0, -1, math.nan, math.inf, -math.inf, 10**400, {})
    ),
    (Extension, {"hours": 1, "hour": 1}),
    (Extension, "1"),
    *((QuotaChanges, changes(revision=number)) for number in ("3", 3.5, True, -1, 2**60, math.nan)),
    *(
        (QuotaChanges, changes(name=name))
        for name in ("", 1, None, "a\nb", "x" * 256, ["ada"], "\ud800")
    ),
    *((QuotaChanges, changes(level=level)) for level in ("", "users", 1, None, "USER")),
    *((QuotaChanges, changes(document=document)) for document in ([], "none", 1, True)),
    (QuotaChanges, changes(level="default")),
    (QuotaChanges, changes(by="root")),
    (QuotaChanges, {"changes": []}),
    (QuotaChanges, {"changes": [CHANGE], "by": "root"}),
    (QuotaChanges, {"changes": [{"level": "user", "name": "ada"}]}),
    (QuotaChanges, {"changes": CHANGE}),
    (QuotaChanges, None),
]


@pytest.mark.parametrize("text", ["3.0", "30e-1", "9007199254740992.0"])
def test_a_whole_number_may_be_written_with_a_fraction(text: str) -> None:
    """To JSON it is one, up to the largest that may be given."""
    body = (
        f'{{"changes": [{{"level": "user", "name": "a", "document": {{}}, "revision": {text}}}]}}'
    )
    (change,) = QuotaChanges.model_validate(handlers._json(body)).changes
    assert change.revision == float(text)


@pytest.mark.parametrize(("kind", "body"), GOOD)
def test_a_valid_body_is_accepted(kind: type, body: object) -> None:
    TypeAdapter(kind).validate_python(body)


@pytest.mark.parametrize(("kind", "body"), BAD)
def test_an_almost_valid_body_is_rejected(kind: type, body: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(body)
