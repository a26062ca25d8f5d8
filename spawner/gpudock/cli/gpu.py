"""``gpudock gpu``: the lab's GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpudock.cli.connection import BY, connect
from gpudock.cli.output import print_json, print_table

if TYPE_CHECKING:
    import argparse

_UUID_HELP = 'full UUID, see "gpu list"'


def add_to(nouns: Any) -> None:
    """Add the commands to the parser of nouns."""
    verbs = nouns.add_parser("gpu", help="the lab's GPUs").add_subparsers(
        dest="verb", required=True
    )
    verbs.add_parser("list", help="list all GPUs with state and holders").set_defaults(run=_list)
    for verb, state, text in (
        ("drain", "draining", "stop new leases of a GPU; its holder keeps it"),
        ("return", "active", "return a GPU to service after a drain or a quarantine"),
    ):
        parser = verbs.add_parser(verb, help=text)
        parser.add_argument("uuid", help=_UUID_HELP)
        parser.set_defaults(run=_set_state, state=state)
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
                row.gpu.index,
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


async def _set_state(options: argparse.Namespace) -> int:
    async with connect() as lab:
        lab.broker.gpus.set_state(options.uuid, options.state, by=BY)
    print(f"{options.uuid} is {options.state}.")
    return 0


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
