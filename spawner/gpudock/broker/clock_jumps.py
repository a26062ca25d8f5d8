"""Keeping stored times true when the clock is set.

A session has time left, a request has waited for some time, a GPU came free some time ago. Setting
the clock changes none of that, so the times that stand for it move along. Which do is marked on the
columns (see ``gpudock.store.schema``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpudock.store import shifted

if TYPE_CHECKING:
    from gpudock.model import Lease
    from gpudock.store import Transaction

# A time later than now by more than this was stored by a clock that has been set back since.
_TOLERANCE = 1.0


def fix_future(transaction: Transaction, now: float) -> None:
    """Move times that cannot be in the future, but are, to *now* (Unix time).

    A clock was set back while no process ran that could have noticed. A session that seems to begin
    in the future would last longer by as much, a GPU that comes free then would not be granted
    until then, and a GPU that is used then would not be idle before.
    """
    latest = now + _TOLERANCE
    for lease in transaction.leases.live():
        fixed = _fixed(lease, now)
        if fixed != lease:
            transaction.leases.update(fixed)
    newest = transaction.requests.newest()
    if newest is not None and newest > latest:
        transaction.requests.set_created_at(
            {
                # All move by the same, so that the order of waiting times stays.
                item.sequence: item.request.created_at - (newest - now)
                for item in transaction.requests.waiting()
                if item.request.created_at > latest
            }
        )
    transaction.gpus.set_freed_at(
        {
            record.gpu.uuid: now
            for record in transaction.gpus.records()
            if record.freed_at is not None and record.freed_at > latest
        }
    )


def _fixed(lease: Lease, now: float) -> Lease:
    latest = now + _TOLERANCE
    active_at, warned_at = lease.active_at, lease.warned_at
    if lease.granted_at > latest:
        lease = shifted(lease, now - lease.granted_at)
        warned_at = None
    return replace(
        lease,
        active_at=None if active_at is None else min(active_at, latest),
        warned_at=None if warned_at is None or warned_at > latest else warned_at,
    )
