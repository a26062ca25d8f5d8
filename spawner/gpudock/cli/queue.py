"""``gpudock queue``: the waiting requests."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from gpudock.cli.connection import BY, connect
from gpudock.cli.output import print_json, print_table
from gpudock.cli.times import show_moment

if TYPE_CHECKING:
    import argparse


def add_to(nouns: Any) -> None:
    """Add the command to the parser of nouns."""
    parser = nouns.add_parser("queue", help="list waiting requests, and when they start")
    parser.add_argument("--cancel", metavar="REQUEST", help="remove this request from the queue")
    parser.set_defaults(run=_queue)


async def _queue(options: argparse.Namespace) -> int:
    if options.cancel is not None:
        return await _cancel(options.cancel)
    async with connect() as lab:
        entries = lab.broker.queue.entries()
    if options.json:
        print_json(
            [{**dataclasses.asdict(entry.request), **entry.place._asdict()} for entry in entries]
        )
        return 0
    print_table(
        ("PLACE", "REQUEST", "USER", "SERVER", "GPUS", "MODEL", "STARTS (UTC)", "REASON"),
        [
            (
                entry.place.position,
                entry.request.id,
                entry.request.user,
                entry.request.server,
                entry.request.gpus,
                entry.request.gpu_model,
                show_moment(entry.place.expected_start),
                entry.place.reason,
            )
            for entry in entries
        ],
    )
    return 0


async def _cancel(request_id: str) -> int:
    async with connect() as lab:
        there = lab.broker.queue.cancel(request_id, BY)
    if not there:
        print(f"gpudock: There is no waiting request {request_id}.", file=sys.stderr)
        return 1
    print(f"{request_id} was removed from the queue.")
    return 0
