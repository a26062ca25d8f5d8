"""``gpudock lab``: whose database this is, and how a lab moves to another server."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpudock.broker.epoch import LabMove
from gpudock.cli.output import print_json, print_table
from gpudock.config.settings import Settings
from gpudock.config.shared_volume import FOLDER, HUB_LOCK, LAB_ID, secret
from gpudock.hub.lock import place_of
from gpudock.store import Store

if TYPE_CHECKING:
    import argparse

_POLL_SECONDS = 1.0


def add_to(nouns: Any) -> None:
    """Add the commands to the parser of nouns."""
    verbs = nouns.add_parser(
        "lab", help="whose database this is, and how a lab moves to another server"
    ).add_subparsers(dest="verb", required=True)
    show = verbs.add_parser("show", help="show which lab, server and hub use the database")
    show.set_defaults(run=_show)
    move = verbs.add_parser(
        "move-here",
        help="after the lab was moved to this server: use its database here from now on."
        " Stop the hub on the other server first. Sessions that run there are not continued",
    )
    move.set_defaults(run=_move_here)


async def _show(options: argparse.Namespace) -> int:
    store = Store(Settings.from_environ(os.environ).db_url)
    with store.snapshot() as transaction:
        record = transaction.lab.read()
    store.close()
    shown = {
        "lab": record.name,
        "server": record.engine_name,
        "engine": record.engine_id,
        "hubs so far": record.epoch,
        "hub": "ended" if record.place is None else "has not said that it ended",
    }
    if options.json:
        print_json(shown)
    else:
        print_table(("", "VALUE"), list(shown.items()))
    return 0


async def _move_here(_options: argparse.Namespace) -> int:
    settings = Settings.from_environ(os.environ)
    store = Store(settings.db_url)
    shared = Path(FOLDER)
    move = LabMove(store, secret(shared / LAB_ID), settings.network)
    if move.is_here(place_of(shared / HUB_LOCK)):
        print("The database is this lab's already, and its hub on this server uses it.")
        store.close()
        return 0
    waits = False
    while not move.attempt():
        if not waits:
            print("Watching whether the hub on the other server is still alive.")
            waits = True
        await asyncio.sleep(_POLL_SECONDS)
    store.close()
    print("The database is this lab's now. Its hub goes on within seconds.")
    return 0
