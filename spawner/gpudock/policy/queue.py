"""Who is next: the order in which waiting requests are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.model import Request
    from gpudock.policy.quota import EffectiveQuota


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

    def order(self, waiting: Iterable[Waiting], now: float) -> list[Waiting]:
        """Return all of *waiting*, the one to serve first at the front."""
        ...


class FirstCome:
    """First come, first served."""

    def order(self, waiting: Iterable[Waiting], now: float) -> list[Waiting]:
        """Return *waiting* in the order in which they joined."""
        return sorted(waiting, key=lambda item: item.sequence)
