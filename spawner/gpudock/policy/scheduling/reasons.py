"""Reasons: why a request waits or is refused, in sentences for the person who made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.model import Denial, Share
from gpudock.policy.matching import eligible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpudock.model import GPU, Request
    from gpudock.policy.scheduling.demand import DemandClass

PREVIOUS_CONTAINER = "The previous container of this server is still being stopped."
NO_GPU_KNOWN = "No GPU of this lab is known at the moment."


def no_start(demand: DemandClass) -> str:
    """Return why a request of a possible class cannot start now."""
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
    if not demand.gpu_pools:
        return "No GPU of this lab matches this request at the moment."
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
    why = next((why for pool in demand.gpu_pools for why in pool.out_of_service if why), None)
    return f"{text} {why}" if why else text


def impossible(
    request: Request,
    allowed: tuple[str, ...] | None,
    lab: Sequence[GPU],
    offered: Sequence[GPU],
    matching: Sequence[GPU],
) -> Denial:
    """Return the denial of a request that the lab can never serve.

    Args:
        request: the request.
        allowed: the patterns of models that its user's quota allows; ``None``: all.
        lab: all devices.
        offered: those of them that are shared, or those that are not, as the request wants.
        matching: those of *offered* whose model the request and the quota accept.
    """
    shared = request.share is Share.SHARED
    models = ", ".join(sorted({gpu.model for gpu in offered}))
    kind = "shared GPU" if shared else "GPU"
    if not lab:
        message = "This lab has no GPU at the moment. Ask for a server without a GPU."
    elif not offered and shared:
        message = "This lab does not share GPUs between users. Ask for an exclusive GPU."
    elif not offered:
        message = "All GPUs of this lab are shared between users. Ask for a slot of a shared GPU."
    elif matching:
        message = (
            f"This server asks for {request.gpus} GPUs on one host, and no host of this lab has"
            " that many matching GPUs. Ask for fewer GPUs or for another model."
        )
    elif not eligible(request, offered, None):
        message = (
            f'No {kind} of this lab matches the model "{request.gpu_model}". This lab has:'
            f" {models}. Choose one of these, or any model."
        )
    else:
        message = (
            f"Your quota allows {'only ' + ', '.join(allowed) if allowed else 'no GPU model'}, and"
            f" the {kind}s of this lab that match your request are: {models}. Ask an administrator"
            " to allow one of them."
        )
    return Denial("impossible", message)


def _matching(count: int) -> str:
    return "1 matching GPU is" if count == 1 else f"{count} matching GPUs are"


def _out_of_service(demand: DemandClass) -> str:
    count = sum([len(pool.out_of_service) for pool in demand.gpu_pools])
    if not count:
        return ""
    return f" {count} more {'is' if count == 1 else 'are'} out of service."
