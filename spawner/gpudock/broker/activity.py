"""Activity tracker: which sessions use their GPUs, and which users are warned of the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpudock.model import LeaseState
from gpudock.policy.sessions import WARNINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.broker.unit_of_work import UnitOfWork
    from gpudock.model import GPUReading, InventoryReading, Lease
    from gpudock.policy.sessions import Session

# A GPU at this utilization or less is not in use: a display, or a process that only holds it.
_MAX_IDLE_PERCENT = 1
# Drivers round; memory in use that grows by less has not grown.
_MIN_GROWTH_MIB = 2

# How often to store the last use, and how often to check the ends of sessions.
_STORE_SECONDS = 60.0
_CHECK_SECONDS = 5.0


class ActivityTracker:
    """What one hub process sees of its sessions."""

    def __init__(self) -> None:
        self._memory_mib: dict[str, int] = {}
        self._active_at: dict[str, float] = {}
        self._latest: InventoryReading | None = None
        self._stored_at = float("-inf")
        self._checked_at = float("-inf")

    def shift_times(self, seconds: float) -> None:
        """Move along with a clock that was set by *seconds*."""
        self._stored_at += seconds
        self._checked_at += seconds
        self._active_at = {lease: at + seconds for lease, at in self._active_at.items()}

    def record(self, work: UnitOfWork) -> None:
        """Note which sessions use their GPUs, and now and then store what became of them."""
        self._observe(work)
        if not self.is_due(work.now):
            return
        self._checked_at = work.now
        live = work.transaction.leases.live()
        if work.now - self._stored_at >= _STORE_SECONDS:
            self._stored_at = work.now
            work.transaction.leases.set_active_at(
                {
                    lease.id: self._active_at[lease.id]
                    for lease in live
                    if self._active_at.get(lease.id, 0.0) > (lease.active_at or 0.0)
                }
            )
        for session in work.sessions(self.with_last_use(work.transaction.leases.live(), work.now)):
            _warn(work, session)

    def _observe(self, work: UnitOfWork) -> None:
        """Note which sessions use their GPUs, as the newest reading shows it.

        What is unknown counts as use: a device that is not read, or that reports nothing.
        """
        is_new = work.reading is not self._latest
        self._latest = work.reading
        growing = self._growing(work.reading.readings) if is_new else set()
        readings = {item.gpu.uuid: item for item in work.reading.readings}
        unknown = not work.is_reading_fresh
        live = work.transaction.leases.live()
        for lease in live:
            if lease.gpu_uuids and (
                unknown
                or lease.state is LeaseState.GRANTED
                or lease.id not in self._active_at
                or any(uuid in growing or _is_used(readings.get(uuid)) for uuid in lease.gpu_uuids)
            ):
                self._active_at[lease.id] = work.now
        for lease_id in self._active_at.keys() - {lease.id for lease in live}:
            del self._active_at[lease_id]

    def _growing(self, readings: Iterable[GPUReading]) -> set[str]:
        """Return the devices whose memory in use has grown, or was not known before."""
        growing = set()
        for item in readings:
            now = item.telemetry.memory_used_mib
            before = self._memory_mib.get(item.gpu.uuid)
            if now is None:
                continue
            if before is None or now >= before + _MIN_GROWTH_MIB:
                growing.add(item.gpu.uuid)
            if before is None or now < before or item.gpu.uuid in growing:
                self._memory_mib[item.gpu.uuid] = now
        return growing

    def with_last_use(self, leases: Iterable[Lease], now: float) -> list[Lease]:
        """Return leases with the last use that this process knows of."""
        return [
            replace(
                lease, active_at=max(self._active_at.get(lease.id, now), lease.active_at or 0.0)
            )
            for lease in leases
        ]

    def mark_active(self, lease_id: str, now: float) -> None:
        """Note that somebody uses a session at *now* (Unix time)."""
        self._active_at[lease_id] = now

    def is_due(self, now: float) -> bool:
        """Return whether it is time to check the ends of sessions again."""
        return now - self._checked_at >= _CHECK_SECONDS


def _is_used(reading: GPUReading | None) -> bool:
    if reading is None or reading.telemetry.utilization_percent is None:
        return True
    return reading.telemetry.utilization_percent > _MAX_IDLE_PERCENT


def _warn(work: UnitOfWork, session: Session) -> None:
    """Store since when the user is warned of the end, or that no end is near any more."""
    lease = session.lease
    near = session.ends_at is not None and session.ends_at - work.now <= WARNINGS[0]
    if near and lease.warned_at is None:
        work.transaction.leases.update(replace(lease, warned_at=work.now))
    elif not near and lease.warned_at is not None:
        work.transaction.leases.update(replace(lease, warned_at=None))
