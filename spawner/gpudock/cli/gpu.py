"""``gpudock gpu``: the lab's GPUs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from gpudock.cli.connection import BY, connect
from gpudock.cli.output import print_json, print_table

if TYPE_CHECKING:
    import argparse

    from gpudock.broker import GPUStatus

_UUID_HELP = 'full UUID, see "gpu list"'


def add_to(nouns: Any) -> None:
    """Add the commands to the parser of nouns."""
    verbs = nouns.add_parser("gpu", help="the lab's GPUs").add_subparsers(
        dest="verb", required=True
    )
    verbs.add_parser("list", help="list all GPUs with state and holders").set_defaults(run=_list)
    drain = verbs.add_parser("drain", help="stop new leases of a GPU; its holder keeps it")
    drain.add_argument("uuid", help=_UUID_HELP)
    drain.set_defaults(run=_drain)
    returning = verbs.add_parser(
        "return", help="return a GPU to service after a drain or a quarantine"
    )
    which = returning.add_mutually_exclusive_group(required=True)
    which.add_argument("uuid", nargs="?", help=_UUID_HELP)
    which.add_argument(
        "--all", action="store_true", help="all quarantined and lost GPUs that are fit"
    )
    returning.set_defaults(run=_return)
    slots = verbs.add_parser(
        "slots", help="set how many sessions may share a GPU; 1: it is not shared"
    )
    slots.add_argument("uuid", help=_UUID_HELP)
    slots.add_argument("slots", type=int, help="1 to 16; only while nobody has the GPU")
    slots.set_defaults(run=_set_slots)
    forget = verbs.add_parser(
        "forget", help="remove a GPU from the list that is no longer in the server"
    )
    forget.add_argument("uuid", help=_UUID_HELP)
    forget.set_defaults(run=_forget)


async def _list(options: argparse.Namespace) -> int:
    async with connect() as lab:
        rows = lab.broker.gpus.all()
    if options.json:
        print_json(rows)
        return 0
    print_table(
        ("INDEX", "UUID", "MODEL", "SLOTS", "STATE", "USER", "REASON"),
        [
            (
                row.gpu.index if row.reported else "-",
                row.gpu.uuid,
                row.gpu.model,
                row.slots,
                row.state,
                ",".join(lease.user for lease in row.leases),
                row.reason,
            )
            for row in rows
        ],
    )
    return 0


async def _drain(options: argparse.Namespace) -> int:
    async with connect() as lab:
        status = lab.broker.gpus.set_state(options.uuid, "draining", by=BY)
    print(f"{options.uuid} is {status.state}.")
    return 0


async def _return(options: argparse.Namespace) -> int:
    kept: dict[str, str] = {}
    async with connect() as lab:
        if options.all:
            returned, kept = lab.broker.gpus.return_all(by=BY)
            statuses = [item for item in lab.broker.gpus.all() if item.gpu.uuid in returned]
        else:
            statuses = [lab.broker.gpus.set_state(options.uuid, "active", by=BY)]
    for status in statuses:
        print(f"{status.gpu.uuid} is in service again: {_in_words(status)}")
    for uuid, why in kept.items():
        print(f"gpudock: {uuid} cannot return to service yet. {why}", file=sys.stderr)
    if not statuses and not kept:
        print("No GPU is quarantined or lost.")
    return 1 if kept else 0


def _in_words(status: GPUStatus) -> str:
    return f"{status.state}. {status.reason or ''}".strip()


async def _set_slots(options: argparse.Namespace) -> int:
    async with connect() as lab:
        lab.broker.gpus.set_slots(options.uuid, options.slots, by=BY)
    shared = "is not shared" if options.slots == 1 else f"is shared by {options.slots} sessions"
    print(f"{options.uuid} {shared}.")
    return 0


async def _forget(options: argparse.Namespace) -> int:
    async with connect() as lab:
        lab.broker.gpus.forget(options.uuid, by=BY)
    print(f"{options.uuid} was removed from the list.")
    return 0
