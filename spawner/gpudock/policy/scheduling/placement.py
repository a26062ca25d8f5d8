"""Placement: which devices a request may have, and which of one host go best together."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, TypeAlias

from gpudock.model import LinkKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gpudock.model import GPU, Link, Request

Weights: TypeAlias = tuple[tuple[int, ...], ...]
"""How well each device of a host is connected with each other one; more is better."""

# One NVLink more counts for more than any difference in how a whole host's PCIe is wired.
_LANE = 10_000
# Up to here all sets are looked at: any choice out of 8 devices.
_MOST_SETS = 70


def matches(model: str, pattern: str) -> bool:
    """Tell whether a model's name matches a shell-style pattern, without regard to case."""
    return fnmatchcase(model.lower(), pattern.lower())


def suits(model: str, wanted: str | None, allowed: tuple[str, ...] | None) -> bool:
    """Tell whether a request for *wanted* takes a model, and the quota's patterns allow it."""
    return (wanted is None or matches(model, wanted)) and (
        allowed is None or any(matches(model, pattern) for pattern in allowed)
    )


def overlap(one: GPU, other: GPU) -> bool:
    """Tell whether two devices are the same, or one is a slice of the other."""
    return one.uuid == other.uuid or one.parent_uuid == other.uuid or other.parent_uuid == one.uuid


def eligible(
    request: Request, gpus: Iterable[GPU], allowed: tuple[str, ...] | None
) -> tuple[GPU, ...]:
    """Keep the devices whose model the request takes and the quota's patterns allow."""
    return tuple(gpu for gpu in gpus if suits(gpu.model, request.gpu_model, allowed))


def most_at_once(gpus: Collection[GPU]) -> int:
    """Count the most devices out of *gpus* that one host could give to one session."""
    slices: dict[tuple[str, str], int] = {}
    for gpu in gpus:
        silicon = (gpu.host, gpu.physical_uuid)
        slices[silicon] = slices.get(silicon, 0) + (gpu.parent_uuid is not None)
    hosts: dict[str, int] = {}
    for (host, _), count in slices.items():
        hosts[host] = hosts.get(host, 0) + max(1, count)
    return max(hosts.values(), default=0)


def weight(link: Link) -> int:
    """Say how good a connection is: more NVLinks first, then the closer kind."""
    return link.lanes * _LANE + int(LinkKind.SYSTEM) - int(link.kind)


@lru_cache(maxsize=4096)
def best_connected(weights: Weights, candidates: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Choose *count* of *candidates* that are connected best.

    Of two sets that are equally good the one counts as better that leaves better connected devices
    behind, and then the one that comes first. Sets of many devices are grown one by one from the
    best beginning instead of being compared all.

    Args:
        weights: the connections of all devices of one host.
        candidates: positions in *weights*, the preferred ones first.
        count: how many, at most as many as there are candidates.
    """
    if comb(len(candidates), count) <= _MOST_SETS:
        return max(
            combinations(candidates, count),
            key=lambda chosen: _worth(weights, candidates, chosen),
        )
    return max(
        (_grown(weights, candidates, seed, count) for seed in candidates),
        key=lambda chosen: _worth(weights, candidates, chosen),
    )


def _worth(
    weights: Weights, candidates: tuple[int, ...], chosen: tuple[int, ...]
) -> tuple[int, int]:
    within = sum(weights[one][other] for one, other in combinations(chosen, 2))
    severed = sum(
        weights[one][other] for one in chosen for other in candidates if other not in chosen
    )
    return within, -severed


def _grown(weights: Weights, candidates: tuple[int, ...], seed: int, count: int) -> tuple[int, ...]:
    chosen = [seed]
    while len(chosen) < count:
        chosen.append(
            max(
                (other for other in candidates if other not in chosen),
                key=lambda other: sum(weights[one][other] for one in chosen),
            )
        )
    return tuple(chosen)
