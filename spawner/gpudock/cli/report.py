"""``gpudock report``: GPU-hours by user, group or GPU."""

from __future__ import annotations

import csv
import sys
import time
from typing import TYPE_CHECKING, Any

from gpudock.cli.connection import connect
from gpudock.cli.output import print_json, print_table
from gpudock.cli.times import days_ago, moment, show_day

if TYPE_CHECKING:
    import argparse

_DAYS = 30.0
_HEAD = ("from", "name", "gpu_hours", "leases")


def add_to(nouns: Any) -> None:
    """Add the command to the parser of nouns."""
    parser = nouns.add_parser("report", help="show GPU-hours by user, group or GPU")
    parser.add_argument("--by", choices=("user", "group", "gpu"), default="user")
    parser.add_argument(
        "--from", dest="since", type=moment, metavar="DATE", help=f"default: {_DAYS:.0f} days ago"
    )
    parser.add_argument("--to", dest="until", type=moment, metavar="DATE", help="default: now")
    parser.add_argument(
        "--bucket", choices=("day", "week", "month"), help="sum up each day, week or month"
    )
    parser.add_argument("--csv", action="store_true", help="print CSV")
    parser.set_defaults(run=_report)


async def _report(options: argparse.Namespace) -> int:
    now = time.time()
    since = days_ago(now, _DAYS) if options.since is None else options.since
    until = now if options.until is None else options.until
    async with connect() as lab:
        rows = lab.broker.usage.report(since, until, options.by, options.bucket)
    if options.json:
        print_json(rows)
        return 0
    if options.bucket is None:
        rows.sort(key=lambda row: -row.gpu_hours)
    cells = [
        (show_day(row.bucket_start), row.name, f"{row.gpu_hours:.2f}", row.leases) for row in rows
    ]
    if options.csv:
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(_HEAD)
        table.writerows(cells)
    else:
        print_table(("FROM", options.by.upper(), "GPU-HOURS", "LEASES"), cells)
    return 0
