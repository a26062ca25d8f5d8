"""Commands leave alone what only the hub may change."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from gpudock.model import Lease, Request

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "command",
    [
        ("quota", "set", "default", "max_gpus=2"),
        ("quota", "unset", "user:bob"),
        ("gpu", "drain", "GPU-00000001-0000-4000-8000-000000000001"),
        ("queue", "--cancel", "r-bob"),
    ],
)
def test_sessions_stay_as_they_are(gpudock, broker, store, command):
    """A command is not taken for activity of a user."""
    broker.quotas.set("user", "bob", {"max_gpus": 2}, "root")
    held = broker.requests.submit(Request("r-ada", "ada", "", 1, time.time(), "image"))
    assert isinstance(held, Lease)
    broker.requests.submit(Request("r-bob", "bob", "", 2, time.time(), "image"))
    with store.transaction() as transaction:
        transaction.leases.update(replace(held, active_at=held.granted_at - 7200))
    before = broker.leases.get(held.id)
    gpudock(*command)
    assert gpudock.status == 0, gpudock.err
    assert broker.leases.get(held.id) == before
