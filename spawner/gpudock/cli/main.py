"""``gpudock``: the administrator's command line, run in the hub's container.

It uses the lab's settings and database. For example, "docker compose exec hub gpudock gpu
list" lists the GPUs. "gpudock NOUN --help" shows the commands.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from gpudock.broker import BrokerError, QuotaDocumentError
from gpudock.cli import doctor, gpu, lab, lease, queue, quota, report
from gpudock.config.settings import SettingsError
from gpudock.policy.quota.errors import QuotaTableError
from gpudock.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOUNS = (gpu, lease, queue, quota, report, lab, doctor)
_ERRORS = (
    BrokerError,
    OSError,
    QuotaDocumentError,
    QuotaTableError,
    SettingsError,
    StoreError,
    UnicodeDecodeError,
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; the attribute ``run`` of its result is the command."""
    parser = argparse.ArgumentParser(prog="gpudock", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    nouns = parser.add_subparsers(dest="noun", required=True)
    for noun in _NOUNS:
        noun.add_to(nouns)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = make_parser().parse_args(arguments)
    try:
        return int(asyncio.run(options.run(options)))
    except _ERRORS as error:
        for line in str(error).splitlines():
            print(f"gpudock: {line}", file=sys.stderr)
        return 1
