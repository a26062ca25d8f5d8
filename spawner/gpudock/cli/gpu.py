"""``gpudock gpu``: the lab's GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpudock.cli.connection import BY, connect
from gpudock.cli.output import print_json, print_table

if TYPE_CHECKING:
    import argparse


def add_to(nouns: Any) -> None:
    """Add the commands to the parser of nouns."""
    verbs = nouns.add_parser("gpu", help="the lab's GPUs").add_subparsers(
        dest="verb", required=True
    )
    verbs.add_parser("list", help="all GPUs, their state, and who has them").set_defaults(run=_list)
    for verb, state, text in (
        ("drain", "draining", "give it to nobody new; who has it keeps it"),
        ("return", "active", "return it to service after a drain or a quarantine"),
    ):
        parser = verbs.add_parser(verb, help=text)
        parser.add_argument("uuid", help="full UUID, see «gpu list»")
        parser.set_defaults(run=_set_state, state=state)
    slots = verbs.add_parser(
        "slots", help="say how many sessions may share it; 1: it is not shared"
    )
    slots.add_argument("uuid", help="full UUID, see «gpu list»")
    slots.add_argument("slots", type=int, help="from 1 to 16; only while nobody has it")
    slots.set_defaults(run=_set_slots)
    forget = verbs.add_parser("forget", help="take one that was removed out of the list")
    forget.add_argument("uuid", help="full UUID, see «gpu list»")
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
    print(f"{options.uuid} is out of the list.")
    return 0
