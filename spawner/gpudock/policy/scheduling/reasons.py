"""Reasons: why a request waits or is refused, in sentences for the person who made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpudock.policy.scheduling.demand import DemandClass

ONE_SLICE = "A server gets at most one MIG slice, because a CUDA process can use only one."
BEHIND_OWN = (
    "Requests ahead of this one need the rest of what your quota, or the cap of your group, allows."
)
PREVIOUS_CONTAINER = "The previous container of this server is still being stopped."


def no_start(demand: DemandClass) -> str:
    """Return why a request of a possible class cannot start now."""
    return _with_rule(demand, _no_start(demand))


def _no_start(demand: DemandClass) -> str:
    idle = sum([pool.idle for pool in demand.gpu_pools])
    if not idle:
        what = "slots of shared GPUs" if demand.shared else "GPUs"
        return f"All matching {what} are in use.{_out_of_service(demand)}"
    ahead = demand.ahead()
    if ahead:
        requests = "1 request is" if ahead == 1 else f"{ahead} requests are"
        return f"{requests} ahead of this one for the matching GPUs.{_out_of_service(demand)}"
    for pool in demand.gpu_pools:
        for unit, why in pool.unready:
            if not unit.taken:
                return f"A matching GPU cannot be granted yet. {why or ''}".rstrip()
    if idle >= demand.count:
        problem = f"on one host; {_matching(idle)} free, but not all on one host."
    else:
        problem = f"at once, and {_matching(idle)} free."
    return f"This server needs {demand.count} GPUs {problem}{_out_of_service(demand)}"


def not_in_service(demand: DemandClass) -> str:
    """Return why the units in service do not suffice for a class."""
    return _with_rule(demand, _not_in_service(demand))


def _not_in_service(demand: DemandClass) -> str:
    if not demand.gpu_pools and demand.excludes_slices:
        return f"This server needs {demand.count} GPUs, and all that match are MIG slices."
    if not demand.gpu_pools:
        return "No known GPU of this lab matches this request at the moment."
    serving = sum(len(pool.units) for each in demand.gpu_pools for pool in each.node_pools)
    if demand.count == 1:
        text = "All matching GPUs are out of service."
    elif serving >= demand.count:
        text = (
            f"This server needs {demand.count} GPUs on one host; {_matching(serving)} in service,"
            " but not all on one host."
        )
    else:
        text = f"This server needs {demand.count} GPUs, and {_matching(serving)} in service."
    why = next((why for pool in demand.gpu_pools for why in pool.out_of_service if why), "")
    return f"{text} {why}".rstrip()


def _with_rule(demand: DemandClass, reason: str) -> str:
    return f"{reason} {ONE_SLICE}" if demand.excludes_slices else reason


def _matching(count: int) -> str:
    return "1 matching GPU is" if count == 1 else f"{count} matching GPUs are"


def _out_of_service(demand: DemandClass) -> str:
    count = sum([len(pool.out_of_service) for pool in demand.gpu_pools])
    return f" {count} more {'is' if count == 1 else 'are'} out of service." if count else ""
