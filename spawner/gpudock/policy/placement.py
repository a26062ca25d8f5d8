"""Placement: which devices a request gets."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gpudock.model import GPU, Request


def matches(model: str, pattern: str) -> bool:
    """Tell whether a model's name matches a shell-style pattern, without regard to case."""
    return fnmatchcase(model.lower(), pattern.lower())


def overlap(one: GPU, other: GPU) -> bool:
    """Tell whether two devices are the same, or one is a slice of the other."""
    return one.uuid == other.uuid or one.parent_uuid == other.uuid or other.parent_uuid == one.uuid


def eligible(
    request: Request, gpus: Iterable[GPU], allowed: tuple[str, ...] | None
) -> tuple[GPU, ...]:
    """Keep the devices whose model the request takes and the quota's patterns allow."""
    return tuple(
        gpu
        for gpu in gpus
        if (request.gpu_model is None or matches(gpu.model, request.gpu_model))
        and (allowed is None or any(matches(gpu.model, pattern) for pattern in allowed))
    )


def blocked(gpus: Iterable[GPU], taken: Collection[str]) -> set[str]:
    """Name every device that shares silicon with one in *taken*, those themselves included.

    *taken* may name devices that are not in *gpus*, for example a slice that has disappeared: its
    parent is then unknown, and only the devices that name it as a parent are found.
    """
    known = list(gpus)
    parents = {gpu.parent_uuid for gpu in known if gpu.uuid in taken and gpu.parent_uuid}
    return {
        gpu.uuid
        for gpu in known
        if gpu.uuid in taken or gpu.parent_uuid in taken or gpu.uuid in parents
    } | set(taken)


def choose(
    request: Request, gpus: Iterable[GPU], taken: Collection[str], known: Iterable[GPU] = ()
) -> tuple[str, ...] | None:
    """Choose ``request.gpus`` devices out of *gpus*, or none at all.

    *gpus* are the devices that may be given; *taken* are UUIDs which may not be, nor anything
    that shares silicon with them. All devices of one answer sit in one host, because a container
    does.

    The order of preference is fixed, so that the same lab always gives the same answer:

    1. devices of one model rather than a mix,
    2. slices of a GPU that is already in use by other slices (whole GPUs stay whole),
    3. smaller memory first (large devices stay free for those who ask for them),
    4. host, then the driver's index, then UUID.

    Args:
        request: how many devices are wanted.
        gpus: candidates, already filtered by :func:`eligible`.
        taken: UUIDs in use, or kept for somebody else.
        known: all devices of the lab, to know which silicon *taken* touches.

    Returns:
        The UUIDs, sorted; ``None`` when there are not enough.
    """
    candidates = list(gpus)
    everything = {gpu.uuid: gpu for gpu in (*known, *candidates)}
    barred = blocked(everything.values(), taken)
    in_use = {everything[uuid].physical_uuid for uuid in taken if uuid in everything}
    usable = [gpu for gpu in candidates if gpu.uuid not in barred]

    def preference(gpu: GPU) -> tuple[bool, int, int, str]:
        return (gpu.physical_uuid not in in_use, gpu.memory_mib, gpu.index, gpu.uuid)

    usable.sort(key=lambda gpu: (gpu.host, gpu.model))
    pools = [list(pool) for _, pool in groupby(usable, key=lambda gpu: (gpu.host, gpu.model))]
    if request.gpus > 1:
        usable.sort(key=lambda gpu: gpu.host)
        mixed = [list(pool) for _, pool in groupby(usable, key=lambda gpu: gpu.host)]
    else:
        mixed = []
    for alternatives in (pools, mixed):
        picks = [
            pick
            for pool in alternatives
            if (pick := _pick(sorted(pool, key=preference), request.gpus)) is not None
        ]
        if picks:
            best = min(
                picks, key=lambda pick: ([preference(gpu)[:2] for gpu in pick], pick[0].host)
            )
            return tuple(sorted(gpu.uuid for gpu in best))
    return None


def _pick(ordered: list[GPU], count: int) -> list[GPU] | None:
    """Take the first *count* devices that share no silicon."""
    picked: list[GPU] = []
    for gpu in ordered:
        if len(picked) == count:
            break
        if not any(overlap(gpu, other) for other in picked):
            picked.append(gpu)
    return picked if len(picked) == count else None
