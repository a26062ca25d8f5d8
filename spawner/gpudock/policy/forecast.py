"""When a waiting request can start at the latest, if nobody leaves early."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gpudock.policy.placement import overlap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpudock.model import GPU, Lease


class Calendar:
    """The latest moments at which devices come free, as far as leases have an end.

    Requests are entered in the order in which they will be served; each books the devices that
    come free first, and those behind it start no earlier than it does where they compete.
    """

    def __init__(self, gpus: Iterable[GPU], leases: Iterable[Lease], now: float) -> None:
        self._gpus = {gpu.uuid: gpu for gpu in gpus}
        self._free_at: dict[str, float] = dict.fromkeys(self._gpus, now)
        for lease in leases:
            until = math.inf if lease.expires_at is None else max(lease.expires_at, now)
            self.occupy(lease.gpu_uuids, until)

    def occupy(self, uuids: Iterable[str], until: float) -> None:
        """Note that devices are in use until *until* (``inf``: no end)."""
        for uuid in uuids:
            taken = self._gpus.get(uuid)
            if taken is None:
                continue
            for other in self._gpus.values():
                if overlap(taken, other):
                    self._free_at[other.uuid] = max(self._free_at[other.uuid], until)

    def book(
        self, eligible: Sequence[GPU], count: int, session_hours: float | None
    ) -> float | None:
        """Book *count* of *eligible*; return the latest start, ``None`` when it cannot be told."""
        soonest = sorted(eligible, key=lambda gpu: (self._free_at[gpu.uuid], gpu.uuid))
        picked: list[GPU] = []
        for gpu in soonest:
            if not any(overlap(gpu, other) for other in picked):
                picked.append(gpu)
            if len(picked) == count:
                break
        if not picked or len(picked) < count:
            return None
        start = max(self._free_at[gpu.uuid] for gpu in picked)
        end = math.inf if session_hours is None else start + session_hours * 3600
        # Whoever waits behind this request cannot overtake it on any device it could use.
        for gpu in eligible:
            self._free_at[gpu.uuid] = max(self._free_at[gpu.uuid], start)
        self.occupy([gpu.uuid for gpu in picked], end)
        return None if math.isinf(start) else start
