"""Reasons: why a request waits or is refused, in sentences for the person who made it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from gpudock.language import Message, counted, sentences

if TYPE_CHECKING:
    from gpudock.policy.scheduling.demand import DemandClass

ONE_SLICE = Message("A server gets at most one MIG slice, because a CUDA process can use only one.")
BEHIND_OWN = Message(
    "Requests ahead of this one need the rest of what your quota, or the cap of your group, allows."
)
PREVIOUS_CONTAINER = Message("The previous container of this server is still being stopped.")

# A decision makes a reason for each waiting request, and most are those of the decision before.
_made_once = lru_cache(maxsize=16_384, typed=True)


def no_start(demand: DemandClass) -> str:
    """Return why a request of a possible class cannot start now."""
    rule = _rule(demand)
    idle = sum([pool.idle for pool in demand.gpu_pools])
    ahead = demand.ahead() if idle else 0
    if idle and not ahead:
        for pool in demand.gpu_pools:
            for unit, why in pool.unready:
                if not unit.taken:
                    return sentences(_NOT_YET, why or "", rule)
    out_of_service = sum([len(pool.out_of_service) for pool in demand.gpu_pools])
    return _too_few_free(demand.count, idle, ahead, out_of_service, rule, shared=demand.shared)


_NOT_YET = Message("A matching GPU cannot be granted yet.")


@_made_once
def _too_few_free(
    count: int, idle: int, ahead: int, out_of_service: int, rule: str, *, shared: bool
) -> str:
    if not idle and shared:
        reason = Message("All matching slots of shared GPUs are in use.")
    elif not idle:
        reason = Message("All matching GPUs are in use.")
    elif ahead:
        reason = counted(
            "{n} request is ahead of this one for the matching GPUs.",
            "{n} requests are ahead of this one for the matching GPUs.",
            ahead,
        )
    elif idle >= count:
        reason = counted(
            "This server needs {count} GPUs on one host; {n} matching GPU is free, but not all on"
            " one host.",
            "This server needs {count} GPUs on one host; {n} matching GPUs are free, but not all on"
            " one host.",
            idle,
            count=count,
        )
    else:
        reason = counted(
            "This server needs {count} GPUs at once, and {n} matching GPU is free.",
            "This server needs {count} GPUs at once, and {n} matching GPUs are free.",
            idle,
            count=count,
        )
    more = counted("{n} more is out of service.", "{n} more are out of service.", out_of_service)
    return sentences(reason, more if out_of_service else "", rule)


def not_in_service(demand: DemandClass) -> str:
    """Return why the units in service do not suffice for a class."""
    serving = sum(len(pool.units) for each in demand.gpu_pools for pool in each.node_pools)
    why = next((why for pool in demand.gpu_pools for why in pool.out_of_service if why), "")
    return _too_few_in_service(
        demand.count, serving, why, _rule(demand), matches=bool(demand.gpu_pools)
    )


@_made_once
def _too_few_in_service(count: int, serving: int, why: str, rule: str, *, matches: bool) -> str:
    if not matches and rule:
        reason = Message(
            "This server needs {count} GPUs, and all that match are MIG slices.", count=count
        )
    elif not matches:
        reason = Message("No known GPU of this lab matches this request at the moment.")
    elif count == 1:
        reason = Message("All matching GPUs are out of service.")
    elif serving >= count:
        reason = counted(
            "This server needs {count} GPUs on one host; {n} matching GPU is in service, but not"
            " all on one host.",
            "This server needs {count} GPUs on one host; {n} matching GPUs are in service, but not"
            " all on one host.",
            serving,
            count=count,
        )
    else:
        reason = counted(
            "This server needs {count} GPUs, and {n} matching GPU is in service.",
            "This server needs {count} GPUs, and {n} matching GPUs are in service.",
            serving,
            count=count,
        )
    return sentences(reason, why, rule)


def _rule(demand: DemandClass) -> str:
    return ONE_SLICE if demand.excludes_slices else ""
