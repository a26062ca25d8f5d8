"""How the whole GPUs of a host are connected with each other."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any

from gpudock.model import Link, LinkKind
from gpudock_nvml.failures import Failure
from gpudock_nvml.values import MAX_LINKS, SWITCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpudock_nvml.client import NVMLClient

# NVML's levels, the highest first. Above level 10 there are several switches, which is still better
# than the path through the host's processor.
_LEVELS = (
    (50, LinkKind.SYSTEM),
    (40, LinkKind.NUMA_NODE),
    (30, LinkKind.HOST_BRIDGE),
    (0, LinkKind.PCIE_SWITCH),
)


def read_links(client: NVMLClient, devices: Sequence[tuple[str, Any]]) -> tuple[Link, ...]:
    """Read how GPUs are connected.

    What the driver does not report is left out and is no fault of a GPU: links only help to choose.

    Args:
        client: the NVML client.
        devices: UUID and handle of each whole GPU.
    """
    lanes = _nvlinks(client, devices)
    links = []
    for (one, handle), (other, other_handle) in combinations(sorted(devices), 2):
        count = lanes[one, other]
        if count:
            links.append(Link(one, other, LinkKind.NVLINK, count))
            continue
        level = client.common_ancestor(handle, other_handle)
        if not isinstance(level, Failure):
            kind = next(kind for least, kind in _LEVELS if level >= least)
            links.append(Link(one, other, kind))
    return tuple(links)


def _nvlinks(client: NVMLClient, devices: Sequence[tuple[str, Any]]) -> Counter[tuple[str, str]]:
    """Count the NVLinks between any two GPUs, including those through switches."""
    at_bus: dict[str, str] = {}
    for uuid, handle in devices:
        bus = client.bus_id(handle)
        if not isinstance(bus, Failure):
            at_bus[bus] = uuid
    direct: Counter[tuple[str, str]] = Counter()
    switched: Counter[str] = Counter()
    for uuid, handle in devices:
        for number in range(MAX_LINKS):
            if client.link_active(handle, number) is not True:
                continue
            peer = client.link_peer(handle, number)
            if peer == SWITCH:
                switched[uuid] += 1
            elif not isinstance(peer, Failure) and at_bus.get(peer, uuid) != uuid:
                direct[uuid, at_bus[peer]] += 1
    lanes: Counter[tuple[str, str]] = Counter()
    for one, other in combinations(sorted(uuid for uuid, _ in devices), 2):
        # Both ends report a link; one of them may have failed to.
        lanes[one, other] = max(direct[one, other], direct[other, one])
        # Through a switch, two GPUs share as many links as the one with fewer has.
        lanes[one, other] += min(switched[one], switched[other])
    return lanes
