"""Placement: which GPUs of one node go best together, and how many one node can give."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gpudock.model import LinkKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from gpudock.model import GPU, Link

Weights: TypeAlias = tuple[tuple[int, ...], ...]
"""How well each GPU of a node is connected with each other one; more is better."""

# One NVLink counts more than any difference in how the PCIe of a node is wired.
_LANE = 10_000
# Up to this number, all sets are compared: any choice out of 8 GPUs.
_MAX_SETS = 70


class Connections(NamedTuple):
    """How the whole GPUs of one node are connected.

    Attributes:
        positions: the UUID of each GPU to its position in *weights*.
        weights: see :data:`Weights`.
    """

    positions: dict[str, int]
    weights: Weights


def max_at_once(gpus: Collection[GPU]) -> int:
    """Return how many of *gpus* one node could give to one session."""
    slices: dict[tuple[str, str], int] = {}
    for gpu in gpus:
        physical = (gpu.host, gpu.physical_uuid)
        slices[physical] = slices.get(physical, 0) + (gpu.parent_uuid is not None)
    nodes: dict[str, int] = {}
    for (host, _), count in slices.items():
        nodes[host] = nodes.get(host, 0) + max(1, count)
    return max(nodes.values(), default=0)


def connections_by_node(
    links: Iterable[Link], node_of: Mapping[str, str]
) -> dict[str, Connections]:
    """Return the connections of each node on which some sets of GPUs are better than others.

    Args:
        links: the known links.
        node_of: the UUID of each known device to its node.
    """
    known: dict[str, dict[tuple[str, str], int]] = {}
    for link in links:
        if link.one in node_of:
            weight = link.lanes * _LANE + int(LinkKind.SYSTEM) - int(link.kind)
            known.setdefault(node_of[link.one], {})[link.one, link.other] = weight
    found = {}
    for node, weights in known.items():
        uuids = sorted({uuid for pair in weights for uuid in pair})
        complete = 2 * len(weights) == len(uuids) * (len(uuids) - 1)
        if complete and len(set(weights.values())) == 1:
            continue
        found[node] = Connections(
            {uuid: position for position, uuid in enumerate(uuids)},
            tuple(
                tuple(weights.get((min(one, other), max(one, other)), 0) for other in uuids)
                for one in uuids
            ),
        )
    return found


@lru_cache(maxsize=4096)
def best_connected(weights: Weights, candidates: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Return the *count* of *candidates* with the best connections.

    Of two equally good sets, the one that leaves better connected GPUs behind is better, and then
    the one that comes first. Where there are too many sets to compare all of them, one set is grown
    from each candidate, GPU by GPU.

    Args:
        weights: the connections of all GPUs of one node.
        candidates: positions in *weights*, the preferred ones first.
        count: how many, at most as many as there are candidates.
    """

    def value(chosen: tuple[int, ...]) -> tuple[int, int]:
        rest = [other for other in candidates if other not in chosen]
        within = sum(weights[one][other] for one, other in combinations(chosen, 2))
        severed = sum(weights[one][other] for one in chosen for other in rest)
        return within, -severed

    if comb(len(candidates), count) <= _MAX_SETS:
        return max(combinations(candidates, count), key=value)
    return max((_grown(weights, candidates, seed, count) for seed in candidates), key=value)


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
