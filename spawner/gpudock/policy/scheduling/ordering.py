"""Who is next: the order in which waiting requests are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gpudock.model import Request
    from gpudock.policy.quota.resolve import EffectiveQuota
    from gpudock.policy.scheduling.decide import Snapshot


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request in the queue.

    Attributes:
        sequence: grows with every request that joins the queue.
        request: the wish.
        effective: the limits in force for its user.
    """

    sequence: int
    request: Request
    effective: EffectiveQuota


class Ordering(Protocol):
    """A rule that says who is looked at first."""

    def order(self, snapshot: Snapshot) -> list[Waiting]:
        """Return all who wait in *snapshot*, the one to serve first at the front."""
        ...


class FirstCome:
    """First come, first served."""

    def order(self, snapshot: Snapshot) -> list[Waiting]:
        """Return all who wait in the order in which they joined."""
        return sorted(snapshot.waiting, key=lambda item: item.sequence)
