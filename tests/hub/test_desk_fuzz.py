"""The API against its own OpenAPI document, with generated requests.

What fits the document is accepted, what does not is rejected as documented, and the desk never
fails. The requests are the same in each run.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import negative_data_rejection

from gpudock.desk.api import ENDPOINTS
from gpudock.desk.endpoints import CSV
from gpudock.desk.openapi import document
from harness.desk_process import API, DeskProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = int(os.environ.get("GPUDOCK_TEST_EXAMPLES", "15"))

# A request that fits the document may still come too late: 409, and 412 for one with If-Match. What
# no schema can say is refused with 422, by the endpoints that say so and by no others: two changes
# of one document in one request, a span of time that is cut into more pieces than are allowed, a
# table whose cells make no sense. 400 is for what the schema forbids.
ACCEPTED = ["2xx", "401", "403", "404", "409", "412", "422"]
CONFIG = {
    "generation": {"deterministic": True},
    "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
}

described = document(ENDPOINTS)
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
    assert served == json.loads(json.dumps(document(ENDPOINTS)))


@pytest.mark.parametrize("principal", ["admin", "user"])
@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_requests_are_answered_as_the_document_says(case, desk, tokens, principal):
    headers = {"Authorization": f"Bearer {tokens[principal]}"}
    case.call_and_validate(
        base_url=desk.direct + API.rstrip("/"), headers=headers, excluded_checks=pointless(case)
    )


def pointless(case) -> list[object]:
    """Return the checks that cannot hold of a request.

    A table is a text, and whatever is sent in its place is one as well, an object for instance as
    "{}": no body can be of a wrong type.
    """
    of_another_type = case.media_type == CSV and case.meta.is_negative_at(ParameterLocation.BODY)
    return [negative_data_rejection] if of_another_type else []
