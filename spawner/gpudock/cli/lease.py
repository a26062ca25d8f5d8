"""``gpudock lease``: sessions, how long they last, and how to extend or end them."""

from __future__ import annotations

import dataclasses
import sys
import time
from typing import TYPE_CHECKING, Any

from gpudock.cli.connection import BY, connect
from gpudock.cli.output import print_json, print_table
from gpudock.cli.times import hours, show_left, show_moment
from gpudock.policy.end_reasons import explain

if TYPE_CHECKING:
    import argparse

_MAX_ENDED = 1000

_ID_HELP = 'id of the lease, see "lease list"'


def add_to(nouns: Any) -> None:
    """Add the commands to the parser of nouns."""
    verbs = nouns.add_parser("lease", help="sessions and their GPUs").add_subparsers(
        dest="verb", required=True
    )
    listing = verbs.add_parser("list", help="list live leases, and when they end")
    listing.add_argument("--user", help="only this user's")
    listing.add_argument(
        "--ended", action="store_true", help=f"the last {_MAX_ENDED} leases that have ended instead"
    )
    listing.set_defaults(run=_list)

    release = verbs.add_parser("release", help="stop a server; the workspace stays")
    release.add_argument("lease", help=_ID_HELP)
    release.set_defaults(run=_release)

    extend = verbs.add_parser("extend", help="extend a session as far as the quota allows")
    extend.add_argument("lease", help=_ID_HELP)
    extend.add_argument(
        "--hours", type=hours, help="by how much; default: the usual length of a session"
    )
    extend.set_defaults(run=_extend)


async def _list(options: argparse.Namespace) -> int:
    async with connect() as lab:
        if options.ended:
            users = None if options.user is None else [options.user]
            ended, _ = lab.broker.leases.history(users, 0, _MAX_ENDED)
        else:
            sessions = lab.broker.sessions.live(options.user)
    now = time.time()
    if options.ended and options.json:
        print_json(ended)
    elif options.ended:
        print_table(
            ("LEASE", "USER", "SERVER", "GRANTED (UTC)", "ENDED (UTC)", "WHY", "GPUS"),
            [
                (
                    row.id,
                    row.user,
                    row.server,
                    show_moment(row.granted_at),
                    show_moment(row.ended_at),
                    explain(row).text,
                    ",".join(row.gpu_uuids),
                )
                for row in ended
            ],
        )
    elif options.json:
        print_json([_document(session) for session in sessions])
    else:
        print_table(
            ("LEASE", "USER", "SERVER", "STATE", "LEFT", "ENDS BY", "GPUS"),
            [
                (
                    row.lease.id,
                    row.lease.user,
                    row.lease.server,
                    row.lease.state,
                    show_left(row.ends_at, now),
                    row.ends_because,
                    ",".join(row.lease.gpu_uuids),
                )
                for row in sessions
            ],
        )
    return 0


def _document(session: Any) -> dict[str, Any]:
    """Return a session and its lease as one flat object."""
    document = dataclasses.asdict(session)
    return {**document.pop("lease"), **document}


async def _release(options: argparse.Namespace) -> int:
    async with connect() as lab:
        there = lab.broker.sessions.release(options.lease, BY, "an administrator released it")
    if not there:
        print(f"gpudock: There is no live lease {options.lease}.", file=sys.stderr)
        return 1
    print(f"{options.lease} is being stopped; its GPUs are free when its container is gone.")
    return 0


async def _extend(options: argparse.Namespace) -> int:
    async with connect() as lab:
        session = lab.broker.sessions.extend(options.lease, BY, options.hours)
    if options.json:
        print_json(_document(session))
    else:
        print(f"{options.lease} lasts until {show_moment(session.ends_at) or 'it is stopped'}.")
    return 0
