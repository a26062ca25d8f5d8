"""Times after the year 9999."""

from __future__ import annotations

import pytest

from gpudock.model import QueuePosition, Request


@pytest.mark.integration
def test_a_start_in_ten_thousand_years_is_shown(gpudock, broker):
    broker.quotas.set("default", "", {"max_gpus": 2, "max_session_hours": 1_000_000.0}, "root")
    for number in range(90):
        answer = broker.requests.submit(
            Request(f"r-{number}", f"user-{number}", "", 2, 1.0, "image")
        )
    assert isinstance(answer, QueuePosition)
    lines = gpudock("queue").splitlines()
    assert gpudock.status == 0, gpudock.err
    assert "after 9999" in lines[-1]
    assert len(gpudock.json("queue")) == 89
