"""Watching the sessions: are their GPUs used, and do their users know when they end?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpudock.model import LeaseState
from gpudock.policy.sessions import WARNINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.broker.unit_of_work import Lab
    from gpudock.model import GPUReading, InventoryReading, Lease
    from gpudock.policy.sessions import Session

# A GPU at no more than this is not in use: a display, or a process that only holds it.
_LEAST_UTILIZATION = 1
# Drivers round; what grows by less has not grown.
_LEAST_GROWTH_MIB = 2

# How often the last use is written down, and how often the ends of sessions are looked at.
_WRITE_SECONDS = 60.0
_LOOK_SECONDS = 5.0


class Watch:
    """What one hub process sees of its sessions."""

    def __init__(self) -> None:
        self._memory_mib: dict[str, int] = {}
        self._active: dict[str, float] = {}
        self._noted: InventoryReading | None = None
        self._written_at = float("-inf")
        self._looked_at = float("-inf")
        self._jumps = 0.0

    def follow(self, jumps: float) -> None:
        """Move along with a clock that was set, by *jumps* seconds in all since the beginning."""
        seconds, self._jumps = jumps - self._jumps, jumps
        if seconds:
            self._written_at += seconds
            self._looked_at += seconds
            self._active = {lease: at + seconds for lease, at in self._active.items()}

    def note(self, lab: Lab) -> None:
        """Take note of which sessions use their GPUs, as the newest reading shows it.

        What is not known counts as use: a device that is not read, or that does not tell.
        """
        fresh = lab.reading is not self._noted
        self._noted = lab.reading
        growing = self._growing(lab.reading.readings) if fresh else set()
        readings = {item.gpu.uuid: item for item in lab.reading.readings}
        unknown = not lab.is_trusted
        live = lab.transaction.live_leases()
        for lease in live:
            if lease.gpu_uuids and (
                unknown
                or lease.state is LeaseState.GRANTED
                or lease.id not in self._active
                or any(uuid in growing or _is_used(readings.get(uuid)) for uuid in lease.gpu_uuids)
            ):
                self._active[lease.id] = lab.now
        ended = self._active.keys() - {lease.id for lease in live}
        for lease_id in ended:
            del self._active[lease_id]

    def _growing(self, readings: Iterable[GPUReading]) -> set[str]:
        """Return the devices whose memory in use has grown, or was not known before."""
        growing = set()
        for item in readings:
            now = item.telemetry.memory_used_mib
            before = self._memory_mib.get(item.gpu.uuid)
            if now is None:
                continue
            if before is None or now >= before + _LEAST_GROWTH_MIB:
                growing.add(item.gpu.uuid)
            if before is None or now < before or item.gpu.uuid in growing:
                self._memory_mib[item.gpu.uuid] = now
        return growing

    def seen(self, leases: Iterable[Lease], now: float) -> list[Lease]:
        """Return leases with the last use that this process knows of."""
        return [
            replace(lease, active_at=max(self._active.get(lease.id, now), lease.active_at or 0.0))
            for lease in leases
        ]

    def touch(self, lease_id: str, now: float) -> None:
        """Note that somebody has use for a session."""
        self._active[lease_id] = now

    def is_due(self, now: float) -> bool:
        """Tell whether it is time to look at the ends of sessions again."""
        return now - self._looked_at >= _LOOK_SECONDS

    def write(self, lab: Lab) -> None:
        """Write down what has become of the sessions' times."""
        self._looked_at = lab.now
        if lab.now - self._written_at >= _WRITE_SECONDS:
            self._written_at = lab.now
            lab.transaction.set_active(
                {
                    lease.id: self._active[lease.id]
                    for lease in lab.transaction.live_leases()
                    if self._active.get(lease.id, 0.0) > (lease.active_at or 0.0)
                }
            )
        for session in lab.sessions(self.seen(lab.transaction.live_leases(), lab.now)):
            _warn(lab, session)


def _is_used(reading: GPUReading | None) -> bool:
    if reading is None or reading.telemetry.utilization_percent is None:
        return True
    return reading.telemetry.utilization_percent > _LEAST_UTILIZATION


def _warn(lab: Lab, session: Session) -> None:
    """Write down from when on a user is told of the end, or that there is none in view any more."""
    lease = session.lease
    in_view = session.ends_at is not None and session.ends_at - lab.now <= WARNINGS[0]
    if in_view and lease.warned_at is None:
        lab.transaction.save_terms(replace(lease, warned_at=lab.now))
    elif not in_view and lease.warned_at is not None:
        lab.transaction.save_terms(replace(lease, warned_at=None))
