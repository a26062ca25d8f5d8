"""Admission: whether a request may join the queue, or is refused however long it would wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.language import Message, sentences
from gpudock.model import Denial, Share, WhenBusy
from gpudock.policy.matching import eligible
from gpudock.policy.quota import resolve as quota
from gpudock.policy.scheduling.reasons import ONE_SLICE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from gpudock.model import GPU, Request
    from gpudock.policy.gpu_health import DeviceHealth
    from gpudock.policy.quota.resolve import EffectiveQuota
    from gpudock.policy.scheduling.snapshot import Snapshot


def refuse(request: Request, effective: EffectiveQuota, snapshot: Snapshot) -> Denial | None:
    """Return why *request* is refused; ``None`` when it may join the queue.

    Args:
        request: the request.
        effective: the limits in force for its user.
        snapshot: the lab.
    """
    if request.gpus < 0:
        message = Message("A server cannot have fewer than 0 GPUs. Ask for 0 or more.")
        return Denial("invalid", message)
    if request.gpus == 0:
        return None
    shared = request.share is Share.SHARED
    if shared and request.gpus > 1:
        return Denial(
            "share",
            Message(
                "A server gets at most one slot of one shared GPU. Ask for 1 GPU, or for exclusive"
                " GPUs."
            ),
        )
    # A server gives back what it still holds before it starts again.
    others = (lease for lease in snapshot.leases if lease.server != request.server)
    denial = quota.check(request, effective, quota.usage(others, request.user))
    if denial is not None or not snapshot.inventory_known or request.when_busy is WhenBusy.CPU:
        return denial
    allowed = effective.quota.gpu_models
    offered = [device.gpu for device in snapshot.devices if (device.slots > 1) is shared]
    matching = eligible(request, offered, allowed)
    if _suffice(matching, request.gpus):
        return None
    if not snapshot.devices:
        message = Message("This lab has no GPU at the moment. Ask for a server without a GPU.")
        return Denial("impossible", message)
    return Denial("impossible", _impossible(request, allowed, offered, matching))


def bar_waiting(
    request: Request, effective: EffectiveQuota, devices: Iterable[DeviceHealth]
) -> Denial | None:
    """Return why the quota's models bar a waiting request however long it waits, if they do.

    A request that the lab's own devices cannot serve waits: they may come back. The denial is that
    of :func:`refuse` for a request made now.

    Args:
        request: the request.
        effective: the limits in force for its user.
        devices: all devices of the lab.
    """
    allowed = effective.quota.gpu_models
    if allowed is None or request.gpus == 0 or request.when_busy is WhenBusy.CPU:
        return None
    shared = request.share is Share.SHARED
    offered = [device.gpu for device in devices if (device.slots > 1) is shared]
    matching = eligible(request, offered, allowed)
    if _suffice(matching, request.gpus):
        return None
    if not _suffice(eligible(request, offered, None), request.gpus):
        return None
    return Denial("impossible", _impossible(request, allowed, offered, matching))


def _suffice(gpus: Collection[GPU], count: int) -> bool:
    """Return whether the lab could give *count* of *gpus* to one session."""
    return (len(gpus) > 0 and count == 1) or _max_at_once(gpus) >= count


def _impossible(
    request: Request,
    allowed: tuple[str, ...] | None,
    offered: Sequence[GPU],
    matching: Sequence[GPU],
) -> str:
    """Return why the lab can never serve *request*."""
    shared = request.share is Share.SHARED
    models = ", ".join(sorted({gpu.model for gpu in offered}))
    if not offered and shared:
        return Message("This lab does not share GPUs between users. Ask for an exclusive GPU.")
    if not offered:
        return Message(
            "All GPUs of this lab are shared between users. Ask for a slot of a shared GPU."
        )
    if any(gpu.parent_uuid is not None for gpu in matching):
        return sentences(
            Message(
                "This server asks for {count} GPUs, and no host of this lab has that many matching"
                " whole GPUs.",
                count=request.gpus,
            ),
            ONE_SLICE,
            Message("Ask for 1 GPU, or start a server of its own for each slice."),
        )
    if matching:
        return Message(
            "This server asks for {count} GPUs on one host, and no host of this lab has that many"
            " matching GPUs. Ask for fewer GPUs or for another model.",
            count=request.gpus,
        )
    if not eligible(request, offered, None):
        return Message(
            'No {kind} of this lab matches the model "{model}". This lab has: {models}. Choose one'
            " of these, or any model.",
            kind=Message("shared GPU") if shared else "GPU",
            model=request.gpu_model,
            models=models,
        )
    kinds = Message("shared GPUs") if shared else Message("GPUs")
    if not allowed:
        return Message(
            "Your quota allows no GPU model, and the {kinds} of this lab that match your request"
            " are: {models}. Ask an administrator to allow one of them.",
            kinds=kinds,
            models=models,
        )
    return Message(
        "Your quota allows only {allowed}, and the {kinds} of this lab that match your request"
        " are: {models}. Ask an administrator to allow one of them.",
        allowed=", ".join(allowed),
        kinds=kinds,
        models=models,
    )


def _max_at_once(gpus: Collection[GPU]) -> int:
    """Return how many of *gpus* one host could give to one session that needs several."""
    hosts: dict[str, set[str]] = {}
    for gpu in gpus:
        if gpu.parent_uuid is None:
            hosts.setdefault(gpu.host, set()).add(gpu.uuid)
    return max((len(whole) for whole in hosts.values()), default=0)
