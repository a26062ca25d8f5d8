"""How the whole GPUs of a host are connected with each other."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any

from gpudock.agent.failures import Failure
from gpudock.agent.nvml import MOST_LINKS, SWITCH
from gpudock.model import Link, LinkKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpudock.agent.nvml import Gate

# NVML's levels, the highest first: above «single» there are several switches, which is still
# better than the way through the host's processor.
_LEVELS = (
    (50, LinkKind.SYSTEM),
    (40, LinkKind.NUMA_NODE),
    (30, LinkKind.HOST_BRIDGE),
    (0, LinkKind.PCIE_SWITCH),
)


def read_links(gate: Gate, devices: Sequence[tuple[str, Any]]) -> tuple[Link, ...]:
    """Ask the driver how GPUs are connected.

    What cannot be told is left out and is no fault of a GPU: it is only good to choose well.

    Args:
        gate: the way to NVML.
        devices: UUID and handle of each whole GPU.
    """
    lanes = _nvlinks(gate, devices)
    links = []
    for (one, handle), (other, other_handle) in combinations(sorted(devices), 2):
        count = lanes[one, other]
        if count:
            links.append(Link(one, other, LinkKind.NVLINK, count))
            continue
        level = gate.common_ancestor(handle, other_handle)
        if not isinstance(level, Failure):
            kind = next(kind for least, kind in _LEVELS if level >= least)
            links.append(Link(one, other, kind))
    return tuple(links)


def _nvlinks(gate: Gate, devices: Sequence[tuple[str, Any]]) -> Counter[tuple[str, str]]:
    """Count the NVLinks between any two, those through switches included."""
    at_bus: dict[str, str] = {}
    for uuid, handle in devices:
        bus = gate.bus_id(handle)
        if not isinstance(bus, Failure):
            at_bus[bus] = uuid
    direct: Counter[tuple[str, str]] = Counter()
    switched: Counter[str] = Counter()
    for uuid, handle in devices:
        for number in range(MOST_LINKS):
            if gate.link_active(handle, number) is not True:
                continue
            peer = gate.link_peer(handle, number)
            if peer == SWITCH:
                switched[uuid] += 1
            elif not isinstance(peer, Failure) and at_bus.get(peer, uuid) != uuid:
                direct[uuid, at_bus[peer]] += 1
    lanes: Counter[tuple[str, str]] = Counter()
    for one, other in combinations(sorted(uuid for uuid, _ in devices), 2):
        # Both ends of a link tell of it; one of them may have failed to.
        lanes[one, other] = max(direct[one, other], direct[other, one])
        # Through a switch each reaches the other with all the links that the lesser one has.
        lanes[one, other] += min(switched[one], switched[other])
    return lanes
