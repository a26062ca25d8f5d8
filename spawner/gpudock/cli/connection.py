"""A command's connection to the lab: settings, broker and the latest reading of the GPUs."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpudock.broker import BrokerConfig, DeskBroker
from gpudock.config.names import agent_name
from gpudock.config.settings import Settings
from gpudock.config.shared_volume import AGENT_PORT, AGENT_TOKEN, FOLDER, LAB_ID, secret_in
from gpudock.inventory import AgentInventory, Inventory, NoInventory
from gpudock.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BY = "the command line"
"""Who made a change, in the audit trail."""

_READING_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Connection:
    """What a command works with."""

    settings: Settings
    inventory: Inventory
    broker: DeskBroker


@asynccontextmanager
async def connect() -> AsyncIterator[Connection]:
    """Connect to the lab that the settings in the environment describe.

    The broker relies on what the hub learned from the engine, and grants nothing: only the hub
    does.

    Raises:
        SettingsError: a setting is not valid.
        StoreError: the database cannot be used.
    """
    settings = Settings.from_environ(os.environ)
    inventory = await _inventory(settings)
    try:
        config = BrokerConfig(
            default_quota=settings.default_quota, leftover_memory_mib=settings.leftover_memory
        )
        store = Store(settings.db_url, lab_id=lambda: secret_in(Path(FOLDER) / LAB_ID))
        broker = DeskBroker(store, inventory, config)
        yield Connection(settings, inventory, broker)
    finally:
        await inventory.stop()


async def _inventory(settings: Settings) -> Inventory:
    """Return an inventory with a reading, or one that says why there is none."""
    token = _agent_token()
    if token is None:
        return NoInventory("This lab has no agent, so its GPUs are unknown.")
    inventory = AgentInventory(f"http://{agent_name(settings.network)}:{AGENT_PORT}", token)
    changed = asyncio.Event()
    unsubscribe = inventory.subscribe(lambda _reading: changed.set())
    await inventory.start()
    try:
        async with asyncio.timeout(_READING_TIMEOUT_SECONDS):
            while inventory.reading().problem is not None:
                await changed.wait()
                changed.clear()
    except TimeoutError:
        print(f"gpudock: {inventory.reading().problem}", file=sys.stderr)
    finally:
        unsubscribe()
    return inventory


def _agent_token() -> str | None:
    file = Path(FOLDER) / AGENT_TOKEN
    return file.read_text().strip() if file.exists() else None
