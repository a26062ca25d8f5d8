"""The lab within one transaction: its devices, its queue, and what is granted next."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpudock.broker.limits import Limits
from gpudock.model import GPU, Denial, Lease, LeaseState, QueuePosition, Quota
from gpudock.policy.gpu_health import AdminState, Rules, assess, check_staleness
from gpudock.policy.scheduling.decide import Grant, Snapshot, decide
from gpudock.policy.scheduling.fair_share import FairShare
from gpudock.policy.scheduling.ordering import Ordering, Waiting
from gpudock.policy.sessions import begun, session
from gpudock.store import RequestState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gpudock.broker.limits import Documents
    from gpudock.broker.usage_cache import History
    from gpudock.model import InventoryReading, Request
    from gpudock.policy.gpu_health import DeviceHealth, GPURecord
    from gpudock.policy.quota.resolve import EffectiveQuota
    from gpudock.policy.sessions import Session
    from gpudock.store import QueuedRequest, Transaction

log = logging.getLogger(__name__)

# How often it is written down that a device is still there.
_SEEN_SECONDS = 300.0

WITHDRAWN = Denial(
    "withdrawn",
    "The request was taken out of the queue. Start the server again to ask for a GPU anew.",
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a broker was configured with.

    Attributes:
        default_quota: the limits where no level says otherwise.
        rules: when a device may be granted.
        ordering: who is looked at first.
        claim_seconds: how long a granted lease waits for somebody to make its container.
        new_id: makes the id of a lease: lower-case letters and digits, never the same twice.
    """

    default_quota: Quota = field(default_factory=Quota)
    rules: Rules = field(default_factory=Rules)
    ordering: Ordering = field(default_factory=FairShare)
    claim_seconds: float = 120.0
    new_id: Callable[[], str] = lambda: secrets.token_hex(8)


@dataclass(slots=True)
class Outcome:
    """What one round over the queue came to, by (user, server)."""

    grants: dict[tuple[str, str], Lease] = field(default_factory=dict)
    refusals: dict[tuple[str, str], Denial] = field(default_factory=dict)
    places: dict[tuple[str, str], QueuePosition] = field(default_factory=dict)
    granted: list[str] = field(default_factory=list)


class Lab:
    """One transaction's view of the lab."""

    def __init__(
        self,
        transaction: Transaction,
        reading: InventoryReading,
        terms: Terms,
        now: float,
        gate: str | None,
        history: History,
    ) -> None:
        """Look at the lab.

        Args:
            transaction: through which it is read and changed.
            reading: the newest reading of the devices.
            terms: the configuration.
            now: Unix time.
            gate: one sentence on why nothing may be granted; ``None``: grants are open.
            history: what leases that have ended used.
        """
        self.transaction = transaction
        self.reading = reading
        self.terms = terms
        self.now = now
        self.gate = gate
        self.history = history
        self.outcome = Outcome()
        self._limits: Limits | None = None
        self._limits_as_of = 0

    # Devices.

    def note_devices(self) -> None:
        """Write down which devices the latest reading shows."""
        known = {record.gpu.uuid: record for record in self.transaction.gpu_records()}
        for item in self.reading.readings:
            record = known.get(item.gpu.uuid)
            if (
                record is None
                or record.gpu != item.gpu
                or self.now - record.last_seen > _SEEN_SECONDS
            ):
                self.transaction.save_gpu(item.gpu, self.now)
            if record is not None and record.admin_state is AdminState.FORGOTTEN:
                self.transaction.set_admin_state(item.gpu.uuid, AdminState.ACTIVE, None)

    def ensure_device(self, uuid: str) -> None:
        """Make sure that a device which a container holds is known, even if nobody reports it."""
        if all(record.gpu.uuid != uuid for record in self.transaction.gpu_records()):
            gpu = GPU(uuid=uuid, index=-1, host="", model="unknown GPU", memory_mib=0)
            self.transaction.save_gpu(gpu, self.now)

    def conditions(self, records: Iterable[GPURecord] | None = None) -> list[DeviceHealth]:
        """Return how every device stands."""
        return assess(
            self.transaction.gpu_records() if records is None else records,
            self.reading,
            {
                uuid: lease.id
                for lease in self.transaction.live_leases()
                for uuid in lease.gpu_uuids
            },
            self.now,
            self.terms.rules,
            self.gate,
        )

    def keep_transitions(self) -> None:
        """Write down which devices must not be granted any more until an explicit act."""
        for condition in self.conditions():
            if condition.transition is not None:
                self.bar(
                    condition.gpu.uuid,
                    condition.transition.admin_state,
                    condition.transition.reason,
                )

    def bar(self, uuid: str, admin_state: AdminState, reason: str) -> None:
        """Take a device out of service until an explicit act."""
        self.transaction.set_admin_state(uuid, admin_state, reason)
        log.warning("GPU %s is %s: %s", uuid, admin_state, reason)

    # Quotas and the queue.

    @property
    def limits(self) -> Limits:
        """The limits in force, as the transaction has them now."""
        if self._limits is None or self._limits_as_of != self.transaction.changes:
            self._limits_as_of = self.transaction.changes
            self._limits = self.limits_with(None)
        return self._limits

    def limits_with(self, changes: Documents | None) -> Limits:
        """Return the limits as they would be if documents were others."""
        return Limits(
            self.transaction,
            self.terms.default_quota,
            self.history,
            self.transaction.live_leases(),
            self.now,
            changes,
        )

    def effective(self, user: str, groups: Iterable[str]) -> EffectiveQuota:
        """Return the limits in force for *user*, and what is used of them."""
        return self.limits.of(user, groups)

    def sessions(self, leases: Iterable[Lease], limits: Limits | None = None) -> list[Session]:
        """Tell when live leases end."""
        leases, limits = list(leases), limits or self.limits
        effective = limits.of_all([(lease.user, lease.groups) for lease in leases])
        accounts = limits.accounts(leases)
        return [
            session(lease, quota, accounts) for lease, quota in zip(leases, effective, strict=True)
        ]

    @property
    def is_trusted(self) -> bool:
        """Whether the newest reading is a ground for a grant."""
        return check_staleness(self.reading, self.now, self.terms.rules) is None

    def _knows_inventory(self) -> bool:
        # A lab that has no agent and no list of GPUs has none, whatever the reason.
        return self.is_trusted or (not self.reading.expects_readings and not self.reading.readings)

    def snapshot(
        self, extra: Request | None = None, limits: Limits | None = None, *, queue: bool = True
    ) -> Snapshot:
        """Gather all that a decision depends on.

        Args:
            extra: a request to put at the end of the queue.
            limits: the limits to decide by; those in force by default.
            queue: whether to look at the queue at all.
        """
        waiting = (
            [(item.sequence, item.request) for item in self.transaction.waiting()] if queue else []
        )
        if extra is not None:
            waiting.append((waiting[-1][0] + 1 if waiting else 1, extra))
        limits = limits or self.limits
        quotas = limits.of_all([(request.user, request.groups) for _, request in waiting])
        return Snapshot(
            now=self.now,
            conditions=tuple(self.conditions()),
            leases=tuple(self.transaction.live_leases()),
            waiting=tuple(
                Waiting(sequence, request, effective)
                for (sequence, request), effective in zip(waiting, quotas, strict=True)
            ),
            gate=self.gate,
            inventory_known=self._knows_inventory(),
            recent_use=limits.recent_use() if waiting else {},
            links=self.reading.links,
        )

    def schedule(self) -> None:
        """Grant what can be granted, refuse what has become impossible, place all others."""
        outcome = self.outcome
        self.keep_transitions()
        queued = {item.request.id: item for item in self.transaction.waiting()}
        if self.gate is None:
            for request_id, item in list(queued.items()):
                if self._has_its_lease(item):
                    del queued[request_id]
        if not queued:
            return
        decision = decide(self.snapshot(), self.terms.ordering)
        granted = [self._make_lease(grant) for grant in decision.grants]
        for grant, lease in zip(decision.grants, self._begin(granted), strict=True):
            self.transaction.settle_request(
                queued[grant.request.id].sequence, RequestState.GRANTED, lease_id=lease.id
            )
            outcome.grants[lease.user, lease.server] = lease
            outcome.granted.append(lease.id)
        for request_id, denial in decision.refusals.items():
            item = queued[request_id]
            self.transaction.settle_request(
                item.sequence, RequestState.DENIED, message=denial.message
            )
            outcome.refusals[item.request.user, item.request.server] = denial
        for request_id, place in decision.places.items():
            request = queued[request_id].request
            outcome.places[request.user, request.server] = place

    def look_up(self, servers: Iterable[tuple[str, str]]) -> None:
        """Find out what became of requests that somebody waits for and that wait no more.

        Another process may have settled them. Of a request that a lost database knew nothing is
        found; whoever waits for it makes it again.
        """
        for user, server in servers:
            found = self.transaction.latest_request(user, server)
            if found is None or found.state is RequestState.WAITING:
                continue
            lease = self.transaction.live_lease(user, server)
            if found.state is RequestState.DENIED:
                message = found.message or "The request was refused."
                self.outcome.refusals[user, server] = Denial("denied", message)
            elif found.state is RequestState.WITHDRAWN:
                self.outcome.refusals[user, server] = WITHDRAWN
            elif lease is None or lease.state is LeaseState.STOPPING:
                self.outcome.refusals[user, server] = Denial(
                    "ended",
                    "The GPU was granted and taken back before the server started. Ask again.",
                )
            elif self.gate is None:
                self.outcome.grants[user, server] = lease

    def _has_its_lease(self, item: QueuedRequest) -> bool:
        """Settle a waiting request whose server has a lease already, for example an adopted one."""
        request = item.request
        lease = self.transaction.live_lease(request.user, request.server)
        if lease is None or lease.state is LeaseState.STOPPING:
            return False
        self.transaction.settle_request(item.sequence, RequestState.GRANTED, lease_id=lease.id)
        self.outcome.grants[request.user, request.server] = lease
        return True

    def _make_lease(self, grant: Grant) -> Lease:
        lease = Lease(
            id=self.terms.new_id(),
            user=grant.request.user,
            server=grant.request.server,
            image=grant.request.image,
            gpu_uuids=grant.gpu_uuids,
            granted_at=self.now,
            share=grant.request.share,
            expires_at=grant.expires_at,
            groups=grant.request.groups,
            slot=grant.slot,
            slots=grant.slots,
            latest_end=grant.latest_end,
            backfilled=grant.backfilled,
        )
        self.transaction.add_lease(lease)
        return lease

    def _begin(self, granted: list[Lease]) -> list[Lease]:
        """Write the limits of hours that hold now into leases that have just been granted."""
        if not granted:
            return []
        quotas = self.limits.of_all([(lease.user, lease.groups) for lease in granted])
        accounts = self.limits.accounts()
        leases = [
            begun(lease, quota, accounts) for lease, quota in zip(granted, quotas, strict=True)
        ]
        for before, lease in zip(granted, leases, strict=True):
            if lease != before:
                self.transaction.save_terms(lease)
        return leases
