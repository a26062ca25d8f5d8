"""``gpudock``: the administrator's command line, run in the hub's container.

``docker compose exec --user gpudock hub gpudock gpu list`` shows the GPUs; ``gpu drain`` and ``gpu
return`` take one out of service and back; ``lease list`` shows who has what.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpudock.agent_container import AGENT_PORT, TOKEN_FILE, agent_name
from gpudock.broker import Broker, GPURefused
from gpudock.inventory import AgentInventory, Inventory, NoInventory
from gpudock.settings import Settings, SettingsError
from gpudock.store import Store, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

_READING_SECONDS = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(prog="gpudock", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    nouns = parser.add_subparsers(dest="noun", required=True)

    gpu = nouns.add_parser("gpu", help="the lab's GPUs").add_subparsers(dest="verb", required=True)
    gpu.add_parser("list", help="all GPUs, their state, and who has them")
    for verb, text in (
        ("drain", "give it to nobody new; who has it keeps it"),
        ("return", "return it to service after a drain or a quarantine"),
    ):
        gpu.add_parser(verb, help=text).add_argument("uuid", help="full UUID, see «gpu list»")

    lease = nouns.add_parser("lease", help="who has what")
    lease.add_subparsers(dest="verb", required=True).add_parser("list", help="all live leases")

    options = parser.parse_args(arguments)
    try:
        return asyncio.run(_run(options))
    except (GPURefused, SettingsError, StoreError) as error:
        print(f"gpudock: {error}", file=sys.stderr)
        return 1


async def _run(options: argparse.Namespace) -> int:
    settings = Settings.from_environ(os.environ)
    inventory = await _inventory(settings)
    try:
        broker = Broker(Store(settings.db_url), inventory, watching=options.verb == "list")
        if options.noun == "lease":
            _print_leases(broker, as_json=options.json)
        elif options.verb == "list":
            _print_gpus(broker, as_json=options.json)
        else:
            state = "draining" if options.verb == "drain" else "active"
            broker.set_gpu_state(options.uuid, state, by="the command line")
            print(f"{options.uuid} is {state}.")
    finally:
        await inventory.stop()
    return 0


async def _inventory(settings: Settings) -> Inventory:
    """Return the newest reading of the agent, or an inventory that says why there is none."""
    token = _agent_token()
    if token is None:
        return NoInventory("This lab has no agent, so nothing is known of its GPUs.")
    inventory = AgentInventory(f"http://{agent_name(settings.network)}:{AGENT_PORT}", token)
    news = asyncio.Event()
    unsubscribe = inventory.subscribe(lambda _reading: news.set())
    await inventory.start()
    try:
        async with asyncio.timeout(_READING_SECONDS):
            while inventory.reading().problem is not None:
                await news.wait()
                news.clear()
    except TimeoutError:
        print(f"gpudock: {inventory.reading().problem}", file=sys.stderr)
    finally:
        unsubscribe()
    return inventory


def _agent_token() -> str | None:
    file = Path(TOKEN_FILE)
    return file.read_text().strip() if file.exists() else None


def _print_gpus(broker: Broker, *, as_json: bool) -> None:
    rows = broker.gpus()
    if as_json:
        print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        return
    _print_table(
        ("INDEX", "UUID", "MODEL", "STATE", "USER", "REASON"),
        [
            (
                row.gpu.index,
                row.gpu.uuid,
                row.gpu.model,
                row.state,
                row.lease.user if row.lease else "-",
                row.reason or "",
            )
            for row in rows
        ],
    )


def _print_leases(broker: Broker, *, as_json: bool) -> None:
    rows = broker.leases()
    if as_json:
        print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        return
    _print_table(
        ("LEASE", "USER", "SERVER", "STATE", "GPUS"),
        [
            (row.id, row.user, row.server or "-", row.state, ",".join(row.gpu_uuids) or "-")
            for row in rows
        ],
    )


def _print_table(head: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
    """Print rows under their head, each column as wide as it has to be."""
    lines = [head, *(tuple(str(cell) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    sys.exit(main())
