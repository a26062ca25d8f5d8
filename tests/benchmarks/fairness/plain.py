"""Plain fair share, to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.model import Share
from gpudock.policy.scheduling.fair_share import largest_slot, nominal_seconds, usage_by_user

if TYPE_CHECKING:
    from gpudock.policy.scheduling.snapshot import Snapshot, Waiting


class PlainFairShare:
    """Users who have had less for their weight come first, however long others have waited."""

    def order(self, snapshot: Snapshot) -> list[Waiting]:
        """Return the queue of *snapshot*, the request to serve first at the front."""
        items = sorted(snapshot.waiting, key=lambda item: item.sequence)
        usage, _ = usage_by_user(snapshot, items)
        slot = largest_slot(snapshot)
        ranked = []
        for item in items:
            request, quota = item.request, item.effective.quota
            ranked.append((usage[request.user] / quota.weight, item.sequence, item))
            gpus = slot if request.share is Share.SHARED else request.gpus
            usage[request.user] += gpus * nominal_seconds(quota)
        ranked.sort(key=lambda entry: entry[:2])
        return [item for _, _, item in ranked]

    def delays(self, snapshot: Snapshot) -> dict[str, float]:
        """Return nothing: starts are not of interest here."""
        return {}
