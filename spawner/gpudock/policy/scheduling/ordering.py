"""Ordering: which waiting request is next."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gpudock.policy.scheduling.snapshot import Snapshot, Waiting


class Ordering(Protocol):
    """A rule for the order of the queue."""

    def order(self, snapshot: Snapshot) -> list[Waiting]:
        """Return the queue of *snapshot*, the request to serve first at the front."""


class FirstCome:
    """First come, first served."""

    def order(self, snapshot: Snapshot) -> list[Waiting]:
        """Return the queue in the order in which the requests joined it."""
        return sorted(snapshot.waiting, key=attrgetter("sequence"))
