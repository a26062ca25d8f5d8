"""The API against its own OpenAPI document, with requests that a machine thinks up.

What fits the document is accepted, what does not is refused in the documented way, and nothing is
answered with a failure of the desk. The requests are the same in each run.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from gpudock.desk.api import OPERATIONS
from gpudock.desk.openapi import document
from support.desk_process import API, DeskProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = int(os.environ.get("GPUDOCK_TEST_EXAMPLES", "15"))

# What no schema can say: two changes of one document in one request, a span of time that is cut
# into more pieces than are allowed, a table whose cells make no sense.
REFUSED_BY_MORE_THAN_A_SCHEMA = {"changeQuotas", "previewQuotas", "getUsage", "importQuotas"}

# A request that fits the document may still come too late: 409, and 412 for one with If-Match.
ACCEPTED = ["2xx", "401", "403", "404", "409", "412"]
CONFIG = {
    "generation": {"deterministic": True},
    "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
}

described = document(OPERATIONS)
described["servers"] = [{"url": API}]
schema = schemathesis.openapi.from_dict(described, config=SchemathesisConfig.from_dict(CONFIG))


@pytest.fixture(scope="module")
def desk(new_module_hub) -> Iterator[DeskProcess]:
    hub = new_module_hub().start()
    desk = DeskProcess(hub).start()
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def tokens(desk) -> dict[str, str]:
    return {
        "admin": desk.token(desk.hub.admin),
        "user": desk.token(desk.hub.client("ada")),
    }


def test_the_desk_serves_the_document(desk, tokens):
    served = desk.ask("GET", "openapi.json", tokens["user"]).json()
    assert served == json.loads(json.dumps(document(OPERATIONS)))


@pytest.mark.parametrize("visitor", ["admin", "user"])
@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_requests_are_answered_as_the_document_says(case, desk, tokens, visitor):
    headers = {"Authorization": f"Bearer {tokens[visitor]}"}
    name = case.operation.definition.raw["operationId"]
    left_out = [positive_data_acceptance] if name in REFUSED_BY_MORE_THAN_A_SCHEMA else []
    case.call_and_validate(
        base_url=desk.direct + API.rstrip("/"), headers=headers, excluded_checks=left_out
    )
