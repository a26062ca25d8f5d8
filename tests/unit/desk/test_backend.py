"""The desk's changes of the database that it shares with the hub."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from doubles.inventory import SettableInventory, gpu
from gpudock.broker import BrokerConfig
from gpudock.desk.backend import Backend
from gpudock.desk.hub_client import HubClient
from gpudock.hub_api import HubAPI
from gpudock.model import Lease, Request
from gpudock.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gpudock.broker import DeskBroker

HOUR = 3600.0
CHANGES = [
    lambda broker: broker.quotas.set("user", "ada", {"max_gpus": 3}, "root"),
    lambda broker: broker.gpus.set_state(gpu(1).uuid, "draining", "root"),
    lambda broker: broker.queue.cancel("waits", "root"),
]


@pytest.mark.integration
@pytest.mark.parametrize("change", CHANGES)
async def test_an_unrelated_change_leaves_sessions_unchanged(
    tmp_path: Path, change: Callable[[DeskBroker], object]
) -> None:
    """Only the hub records when a session began, was last used, and ends."""
    store = Store(f"sqlite:///{tmp_path}/gpudock.sqlite")
    store.migrate()
    inventory = SettableInventory((gpu(0), gpu(1)))
    lease = Lease("one", "ada", "", "image", (gpu(0).uuid,), time.time() - 3 * HOUR)
    lease = replace(lease, active_at=time.time() - 2 * HOUR, expires_at=time.time() + HOUR)
    with store.transaction() as transaction:
        transaction.gpus.save(gpu(0), 0.0)
        transaction.gpus.save(gpu(1), 0.0)
        transaction.leases.add(lease)
        transaction.requests.add(Request("waits", "bob", "", 2, time.time(), "image"))
    hub = HubClient(HubAPI("http://127.0.0.1:9/hub/api", "token"))
    backend = Backend(store, inventory, hub, BrokerConfig(leftover_memory_mib=None))
    try:
        await backend.write(change)
        (found,) = await backend.read(lambda broker: broker.leases.live())
    finally:
        await asyncio.to_thread(backend.close)
    assert found == lease
