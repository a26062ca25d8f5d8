"""The OpenAPI document describes what the desk does."""

import datetime as dt
import re

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpudock.desk.api import ENDPOINTS
from gpudock.desk.api.quota_schema import schema
from gpudock.desk.app import API, by_path, pattern
from gpudock.desk.openapi import document
from gpudock.policy.quota.documents import FIELDS, GROUP_FIELDS, parse_document
from gpudock.policy.quota.errors import QuotaDocumentError

NUMBERS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.integers(999_999, 1_000_001),
    # The desk reads 2.0 as 2 before the check, as JSON does.
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number % 1 != 0),
    st.text(max_size=3),
)
PATTERNS = st.one_of(
    st.none(),
    st.text(max_size=5),
    st.lists(st.one_of(st.text(max_size=5), st.integers()), max_size=3),
)
UNTIL = st.integers(0, 4 * 10**9).map(lambda at: dt.datetime.fromtimestamp(at, dt.UTC).isoformat())
NAMES = st.sampled_from([*FIELDS, *GROUP_FIELDS, "boost", "until", "gpus"])


@st.composite
def fields(draw, depth=1):
    """Objects that are valid or almost valid quota documents."""
    found = {}
    for name in draw(st.lists(NAMES, max_size=4, unique=True)):
        if name == "boost" and depth:
            found[name] = draw(fields(depth - 1))
            if draw(st.booleans()):
                found[name]["until"] = draw(UNTIL)
        else:
            found[name] = draw(PATTERNS if name == "gpu_models" else NUMBERS)
    return found


@pytest.mark.integration
@pytest.mark.parametrize("level", ["default", "group", "user"])
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(value=fields())
def test_the_schema_of_a_quota_accepts_what_its_check_accepts(level, value):
    described = schema(group=level == "group")
    checker = jsonschema.Draft202012Validator(described)
    try:
        parse_document(value, level)
    except QuotaDocumentError:
        accepted = False
    else:
        accepted = True
    assert checker.is_valid(value) == accepted, value


def test_every_endpoint_is_described_once():
    described = document(ENDPOINTS)
    names = [
        endpoint["operationId"]
        for methods in described["paths"].values()
        for endpoint in methods.values()
    ]
    assert sorted(names) == sorted(endpoint.name for endpoint in ENDPOINTS)
    assert len(set(names)) == len(names)


def test_the_document_names_the_address_of_its_lab():
    assert document(ENDPOINTS)["servers"] == [{"url": "/services/gpudock/api/v1"}]
    below = document(ENDPOINTS, "/jupyter/services/gpudock/")
    assert below["servers"] == [{"url": "/jupyter/services/gpudock/api/v1"}]


def test_every_reference_resolves():
    described = document(ENDPOINTS)
    known = described["components"]["schemas"]
    references = set(re.findall(r"'#/components/schemas/(\w+)'", str(described)))
    assert references
    assert references <= known.keys()


def test_every_endpoint_has_a_summary_and_a_description():
    for endpoint in ENDPOINTS:
        assert endpoint.description.endswith("."), endpoint.name
        assert endpoint.summary, endpoint.name


def test_a_path_without_parameters_comes_before_one_with_them():
    paths = list(by_path(ENDPOINTS))
    for address in ("leases/me", "quotas/default"):
        first = next(path for path in paths if re.fullmatch(pattern(path), API + address))
        assert "{" not in first


def test_no_get_takes_a_body():
    for endpoint in ENDPOINTS:
        assert endpoint.method != "GET" or endpoint.body is None
