"""Unit of work: the lab as one transaction sees and changes it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpudock.broker.limits import Limits
from gpudock.model import GPU, Denial, Lease, QueuePosition
from gpudock.policy.device_names import names_of
from gpudock.policy.gpu_health import AdminState, assess, check_staleness
from gpudock.policy.scheduling.snapshot import Snapshot, Waiting
from gpudock.policy.scheduling.waiting_time import Claim, counted_since
from gpudock.policy.sessions import session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.broker.config import BrokerConfig
    from gpudock.broker.limits import Documents
    from gpudock.broker.usage_cache import UsageCache
    from gpudock.model import DeviceNames, InventoryReading, Request
    from gpudock.policy.gpu_health import DeviceHealth, GPURecord
    from gpudock.policy.quota.resolve import EffectiveQuota
    from gpudock.policy.sessions import Session
    from gpudock.store import Transaction

# How often to store that a device is still there.
_LAST_SEEN_SECONDS = 300.0


@dataclass(slots=True)
class Outcome:
    """What a unit of work came to, by (user, server).

    Attributes:
        grants: the leases of requests that were granted, or whose server has a lease already.
        denials: the requests that were denied or withdrawn.
        positions: where the waiting requests stand.
        new_leases: ids of the leases that were granted.
    """

    grants: dict[tuple[str, str], Lease] = field(default_factory=dict)
    denials: dict[tuple[str, str], Denial] = field(default_factory=dict)
    positions: dict[tuple[str, str], QueuePosition] = field(default_factory=dict)
    new_leases: list[str] = field(default_factory=list)


class UnitOfWork:
    """The lab within one transaction.

    Attributes:
        transaction: reads and changes the database.
        reading: the newest reading of the devices.
        config: the broker's configuration.
        now: Unix time.
        gate: one sentence on why nothing may be granted; ``None``: grants are open.
        usage_cache: what leases that have ended used.
        looked_for: the devices that the latest look at the engine knew of, by the names that they
            had then; ``None``: all.
        outcome: filled in as the work proceeds.
    """

    def __init__(
        self,
        transaction: Transaction,
        reading: InventoryReading,
        config: BrokerConfig,
        now: float,
        gate: str | None,
        usage_cache: UsageCache,
    ) -> None:
        self.transaction = transaction
        self.reading = reading
        self.config = config
        self.now = now
        self.gate = gate
        self.usage_cache = usage_cache
        self.looked_for: frozenset[DeviceNames] | None = None
        self.outcome = Outcome()
        self._limits: Limits | None = None
        self._limits_as_of = 0

    # Devices.

    def save_devices(self) -> None:
        """Store which devices the newest reading shows."""
        known = {record.gpu.uuid: record for record in self.transaction.gpus.records()}
        parents = {item.gpu.parent_uuid for item in self.reading.readings}
        cut = {item.gpu.uuid for item in self.reading.readings if item.mig_enabled} & parents
        for item in self.reading.readings:
            record = known.get(item.gpu.uuid)
            if record is None and item.gpu.uuid in cut and item.fault is None:
                # Its slices are listed in its place.
                continue
            if (
                record is None
                or record.gpu != item.gpu
                or self.now - record.last_seen > _LAST_SEEN_SECONDS
            ):
                self.transaction.gpus.save(item.gpu, self.now)
            if record is not None and record.admin_state is AdminState.FORGOTTEN:
                self.transaction.gpus.set_admin_state(item.gpu.uuid, AdminState.ACTIVE, None)

    def ensure_device(self, uuid: str) -> None:
        """Store a device that a container holds, even if no agent reports it."""
        if all(record.gpu.uuid != uuid for record in self.transaction.gpus.records()):
            gpu = GPU(uuid=uuid, index=-1, host="", model="unknown GPU", memory_mib=0)
            self.transaction.gpus.save(gpu, self.now)

    def device_health(self, records: Iterable[GPURecord] | None = None) -> list[DeviceHealth]:
        """Return the health of every device, or of these *records*."""
        return assess(
            self.transaction.gpus.records() if records is None else records,
            self.reading,
            {
                uuid: lease.id
                for lease in self.transaction.leases.live()
                for uuid in lease.gpu_uuids
            },
            self.now,
            self.config.rules,
            self.gate,
            self._unchecked(),
        )

    def _unchecked(self) -> frozenset[str]:
        """Return the devices of which it is not known yet which containers have them."""
        if self.looked_for is None:
            return frozenset()
        names = names_of(self.reading.readings)
        return frozenset(item.uuid for item in names - self.looked_for)

    @property
    def is_reading_fresh(self) -> bool:
        """Whether the newest reading allows a grant."""
        return check_staleness(self.reading, self.now, self.config.rules) is None

    # Quotas and sessions.

    @property
    def limits(self) -> Limits:
        """The limits in force, as the transaction has them now."""
        if self._limits is None or self._limits_as_of != self.transaction.changes:
            self._limits_as_of = self.transaction.changes
            self._limits = self.limits_with(None)
        return self._limits

    def limits_with(self, changes: Documents | None) -> Limits:
        """Return the limits as they would be with changed documents."""
        return Limits(
            self.transaction,
            self.config.default_quota,
            self.usage_cache,
            self.transaction.leases.live(),
            self.now,
            changes,
        )

    def effective(self, user: str, groups: Iterable[str]) -> EffectiveQuota:
        """Return the limits in force for *user*, and what is used of them."""
        return self.limits.of(user, groups)

    def sessions(self, leases: Iterable[Lease]) -> list[Session]:
        """Return live leases as sessions, with their ends."""
        leases = list(leases)
        effective = self.limits.of_all([(lease.user, lease.groups) for lease in leases])
        accounts = self.limits.accounts(leases)
        return [
            session(lease, quota, accounts) for lease, quota in zip(leases, effective, strict=True)
        ]

    # The queue.

    def snapshot(
        self, extra: Request | None = None, limits: Limits | None = None, *, queue: bool = True
    ) -> Snapshot:
        """Return all that a decision depends on.

        Args:
            extra: a request to put at the end of the queue.
            limits: the limits to decide by; those in force by default.
            queue: whether to include the queue at all.
        """
        waiting = (
            [
                (item.sequence, item.request, item.is_next)
                for item in self.transaction.requests.waiting()
            ]
            if queue
            else []
        )
        if extra is not None:
            waiting.append((waiting[-1][0] + 1 if waiting else 1, extra, False))
        limits = limits or self.limits
        quotas = limits.of_all([(request.user, request.groups) for _, request, _ in waiting])
        # A lab that has no agent and no list of GPUs has none, whatever the reason.
        has_no_gpus = not self.reading.expects_readings and not self.reading.readings
        queue_items = tuple(
            Waiting(sequence, request, effective, is_next)
            for (sequence, request, is_next), effective in zip(waiting, quotas, strict=True)
        )
        return Snapshot(
            now=self.now,
            devices=tuple(self.device_health()),
            leases=tuple(self.transaction.leases.live()),
            waiting=queue_items,
            gate=self.gate,
            inventory_known=self.is_reading_fresh or has_no_gpus,
            recent_use=limits.recent_use() if waiting else {},
            links=self.reading.links,
            counted_since=self._counted_since(queue_items),
        )

    def _counted_since(self, waiting: tuple[Waiting, ...]) -> dict[str, float]:
        """Return since when the waiting time of requests counts, where not from the beginning."""
        if not waiting:
            return {}
        since = min(item.request.created_at for item in waiting)
        users = {item.request.user for item in waiting}
        live = [
            lease
            for lease in self.transaction.leases.live()
            if lease.user in users and lease.gpu_uuids
        ]
        ended = [use for use in self.transaction.usage.of_ended(since) if use.user in users]
        sequences = {
            item.lease_id: item.sequence
            for item in self.transaction.requests.of_leases(
                [*(lease.id for lease in live), *(use.lease_id for use in ended)]
            )
        }
        claims = [
            Claim(
                lease.user,
                len(lease.gpu_uuids),
                lease.granted_at,
                math.inf,
                sequences.get(lease.id),
            )
            for lease in live
        ]
        claims += [
            Claim(
                use.user,
                len(use.gpu_uuids),
                use.granted_at,
                use.ended_at,
                sequences.get(use.lease_id),
            )
            for use in ended
        ]
        return counted_since(waiting, claims, self.now)
