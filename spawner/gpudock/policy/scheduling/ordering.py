"""Ordering: which waiting request is next."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpudock.policy.scheduling.snapshot import Snapshot, Waiting


class Ordering(Protocol):
    """A rule for the order of the queue."""

    def order(self, snapshot: Snapshot) -> list[Waiting]:
        """Return the queue of *snapshot*, the request to serve first at the front."""

    def delays(self, snapshot: Snapshot) -> Mapping[str, float]:
        """Return by how much requests that come first later may delay others.

        Request id to seconds; none for a request that nothing comes before later.
        """


class FirstCome:
    """First come, first served."""

    def order(self, snapshot: Snapshot) -> list[Waiting]:
        """Return the queue in the order in which the requests joined it."""
        return sorted(snapshot.waiting, key=attrgetter("sequence"))

    def delays(self, snapshot: Snapshot) -> Mapping[str, float]:
        """Return nothing: no request comes before an earlier one."""
        return {}
