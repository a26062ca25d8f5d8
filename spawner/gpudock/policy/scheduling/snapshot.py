"""The input of a decision: the lab and its queue at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpudock.model import Lease, Link, Request
    from gpudock.policy.gpu_health import DeviceHealth
    from gpudock.policy.quota.resolve import EffectiveQuota


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request in the queue.

    Attributes:
        sequence: grows with every request that joins the queue.
        request: the request.
        effective: the limits in force for its user.
        is_next: it was the first in the latest decision for which GPUs were reserved.
    """

    sequence: int
    request: Request
    effective: EffectiveQuota
    is_next: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a decision depends on.

    Attributes:
        now: Unix time.
        devices: every device of the lab with its health.
        leases: the live leases.
        waiting: the queue, in any order.
        gate: one sentence on why nothing may be granted now; ``None`` when grants are open.
        inventory_known: ``devices`` are all devices of the lab, so a request beyond them can be
            refused instead of waiting for devices that are not known yet.
        recent_use: user to GPU-seconds of the past, of which older ones count less.
        links: how the devices are connected, as far as that is known.
        counted_since: request id to the Unix time since when its waiting time counts; without an
            entry it counts from the beginning. See ``waiting_time``.
    """

    now: float
    devices: tuple[DeviceHealth, ...]
    leases: tuple[Lease, ...]
    waiting: tuple[Waiting, ...]
    gate: str | None = None
    inventory_known: bool = True
    recent_use: Mapping[str, float] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    counted_since: Mapping[str, float] = field(default_factory=dict)

    def waiting_since(self, request: Request) -> float:
        """Return since when the waiting time of *request* counts (Unix time)."""
        return max(request.created_at, self.counted_since.get(request.id, 0.0))
