"""Placement: which GPUs of one node are connected best."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gpudock.model import LinkKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gpudock.model import Link

# How well each GPU of a node is connected with each other one; more is better.
Weights: TypeAlias = tuple[tuple[int, ...], ...]
# One NVLink counts more than any difference in how the PCIe of a node is wired.
_LANE = 10_000
# Up to this number of sets all are compared: any choice out of 8 GPUs.
_MAX_SETS = 70


class Connections(NamedTuple):
    """How the whole GPUs of one node are connected: UUIDs to positions in the weights."""

    positions: dict[str, int]
    weights: Weights


def connections_by_node(
    links: Iterable[Link], node_of: Mapping[str, str]
) -> dict[str, Connections]:
    """Return the connections of each node on which some sets of GPUs are better than others."""
    known: dict[str, dict[tuple[str, str], int]] = {}
    for link in links:
        if link.one in node_of:
            weight = link.lanes * _LANE + int(LinkKind.SYSTEM) - int(link.kind)
            known.setdefault(node_of[link.one], {})[link.one, link.other] = weight
    found = {}
    for node, weights in known.items():
        uuids = sorted({uuid for pair in weights for uuid in pair})
        if len(weights) == comb(len(uuids), 2) and len(set(weights.values())) == 1:
            continue
        matrix = (
            tuple(weights.get((min(one, other), max(one, other)), 0) for other in uuids)
            for one in uuids
        )
        positions = {uuid: position for position, uuid in enumerate(uuids)}
        found[node] = Connections(positions, tuple(matrix))
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
