"""``gpudock lease``: who has what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpudock.cli.connection import connect
from gpudock.cli.output import print_json, print_table

if TYPE_CHECKING:
    import argparse


def add_to(nouns: Any) -> None:
    """Add the commands to the parser of nouns."""
    verbs = nouns.add_parser("lease", help="who has what").add_subparsers(
        dest="verb", required=True
    )
    verbs.add_parser("list", help="all live leases").set_defaults(run=_list)


async def _list(options: argparse.Namespace) -> int:
    async with connect(watching=True) as lab:
        rows = lab.broker.leases()
    if options.json:
        print_json(rows)
        return 0
    print_table(
        ("LEASE", "USER", "SERVER", "STATE", "GPUS"),
        [(row.id, row.user, row.server, row.state, ",".join(row.gpu_uuids)) for row in rows],
    )
    return 0
