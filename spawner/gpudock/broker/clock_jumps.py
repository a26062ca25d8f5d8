"""What is written down as Unix time, kept true when the clock is set.

A session has a time left, a request has waited for some time, a GPU came free some time ago. A
clock that is set changes none of that, so the moments that stand for it are moved along. What is
over stays where it was written down.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpudock.broker.unit_of_work import Lab
    from gpudock.model import Lease

# What is later than now by more than this was written down by a clock that has been set back since.
_TOLERANCE = 1.0


def move(lab: Lab, seconds: float) -> None:
    """Move all moments that matter now along with a clock that was set while the process ran.

    Args:
        lab: the lab, in a writing transaction.
        seconds: by how much the clock was set forward; less than 0: back.
    """
    transaction = lab.transaction
    for lease in transaction.live_leases():
        transaction.save_terms(_moved(lease, seconds))
    transaction.set_arrivals(
        {item.sequence: item.request.created_at + seconds for item in transaction.waiting()}
    )
    transaction.set_freed(
        {
            record.gpu.uuid: record.freed_at + seconds
            for record in transaction.gpu_records()
            if record.freed_at is not None
        }
    )


def mend_future(lab: Lab) -> None:
    """Move moments that lie in the future, and cannot, to now.

    A clock was set back while no process ran that could have noticed. A session that seems to begin
    in the future would last longer by as much, a GPU that comes free then would not be given until
    then, and a GPU that is used then would not be idle before.
    """
    transaction, latest = lab.transaction, lab.now + _TOLERANCE
    for lease in transaction.live_leases():
        mended = _mended(lease, lab.now)
        if mended != lease:
            transaction.save_terms(mended)
    newest = transaction.newest_arrival()
    if newest is not None and newest > latest:
        transaction.set_arrivals(
            {
                # Who has waited longer than whom stays as it was.
                item.sequence: item.request.created_at - (newest - lab.now)
                for item in transaction.waiting()
                if item.request.created_at > latest
            }
        )
    transaction.set_freed(
        {
            record.gpu.uuid: lab.now
            for record in transaction.gpu_records()
            if record.freed_at is not None and record.freed_at > latest
        }
    )


def _moved(lease: Lease, seconds: float) -> Lease:
    def later(moment: float | None) -> float | None:
        return None if moment is None else moment + seconds

    return replace(
        lease,
        granted_at=lease.granted_at + seconds,
        expires_at=later(lease.expires_at),
        latest_end=later(lease.latest_end),
        active_at=later(lease.active_at),
        warned_at=later(lease.warned_at),
    )


def _mended(lease: Lease, now: float) -> Lease:
    latest = now + _TOLERANCE
    active_at, warned_at = lease.active_at, lease.warned_at
    if lease.granted_at > latest:
        lease = _moved(lease, now - lease.granted_at)
        warned_at = None
    return replace(
        lease,
        active_at=None if active_at is None else min(active_at, latest),
        warned_at=None if warned_at is None or warned_at > latest else warned_at,
    )
