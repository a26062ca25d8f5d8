"""Fair share and nothing else, to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.model import Share
from gpudock.policy.scheduling.fair_share import admin_state, largest_slot, nominal_seconds

if TYPE_CHECKING:
    from gpudock.policy.scheduling.decide import Snapshot
    from gpudock.policy.scheduling.ordering import Waiting


class PlainFairShare:
    """Whoever has had less for their weight is served first, however long anybody has waited."""

    def order(self, snapshot: Snapshot) -> list[Waiting]:
        """Return all who wait in *snapshot*, the one to serve first at the front."""
        items = sorted(snapshot.waiting, key=lambda item: item.sequence)
        had, _ = admin_state(snapshot, items)
        slot = largest_slot(snapshot)
        ranked = []
        for item in items:
            request, quota = item.request, item.effective.quota
            ranked.append((had[request.user] / quota.weight, item.sequence, item))
            gpus = slot if request.share is Share.SHARED else request.gpus
            had[request.user] += gpus * nominal_seconds(quota)
        ranked.sort(key=lambda entry: entry[:2])
        return [item for _, _, item in ranked]
