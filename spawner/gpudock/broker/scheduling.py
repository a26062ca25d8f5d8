"""The scheduling step of a cycle: when to decide again, and how a decision is stored."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpudock.language import Message
from gpudock.model import Denial, Lease, LeaseState
from gpudock.policy.gpu_health import AdminState
from gpudock.policy.scheduling.decide import decide
from gpudock.policy.sessions import with_hour_limits
from gpudock.store import RequestState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.broker.recovery import Recovery
    from gpudock.broker.unit_of_work import UnitOfWork
    from gpudock.model import Telemetry
    from gpudock.policy.gpu_health import StateTransition
    from gpudock.policy.scheduling.decide import Grant
    from gpudock.store import QueuedRequest

log = logging.getLogger(__name__)

# Hours that come back, boosts that begin or end and the order of the queue change with time alone.
_RECONSIDER_SECONDS = 5.0

WITHDRAWN = Denial(
    "withdrawn",
    Message("The request was removed from the queue. Start the server again to ask for a GPU."),
)

# How long a request that reached the time-out keeps its waiting time, until it is made again.
KEPT_SECONDS = 7 * 86400.0
# Stored with such a request, to know it from those that somebody removed.
TIMED_OUT = Message("No GPU became free within the longest time that a request may wait.")


@dataclass(frozen=True, slots=True)
class DecisionBasis:
    """What a decision depends on, to know whether to decide again.

    Attributes:
        at: when the decision was made (Unix time).
        generation: the database's, after it; -1 while it changes.
        gate: why nothing was to be granted.
        fresh: whether the reading allowed a grant.
        devices: the reading, as far as it matters.
        cooling_down: some device was being checked, which is soon over.
    """

    at: float
    generation: int
    gate: str | None
    fresh: bool
    devices: tuple[object, ...]
    cooling_down: bool = False

    @classmethod
    def of(cls, work: UnitOfWork, generation: int) -> DecisionBasis:
        """Return the basis of a decision in *work*."""
        devices = tuple(
            (item.gpu, item.fault, item.lost, item.mig_enabled, _pids(item.telemetry))
            for item in work.reading.readings
        )
        if work.transaction.changed:
            generation = -1
        return cls(work.now, generation, work.gate, work.is_reading_fresh, devices)

    def differs_from(self, former: DecisionBasis | None) -> bool:
        """Return whether a decision may differ from the former one."""
        return (
            former is None
            or former.cooling_down
            or self.generation != former.generation
            or self.at - former.at >= _RECONSIDER_SECONDS
            or (self.gate, self.fresh) != (former.gate, former.fresh)
            or self.devices != former.devices
        )


def _pids(telemetry: Telemetry) -> tuple[int, ...] | None:
    processes = telemetry.processes
    return None if processes is None else tuple(process.pid for process in processes)


def schedule(work: UnitOfWork) -> None:
    """Grant what can be granted, deny what has become impossible, give all others a position."""
    for health in work.device_health():
        if health.transition is not None:
            take_out_of_service(work, health.gpu.uuid, health.transition)
    queued = {item.request.id: item for item in work.transaction.requests.waiting()}
    if work.gate is None:
        for request_id, item in list(queued.items()):
            if _settle_if_leased(work, item):
                del queued[request_id]
    if not queued:
        return
    decision = decide(work.snapshot(), work.config.ordering)
    for grant, lease in zip(decision.grants, _add_leases(work, decision.grants), strict=True):
        work.transaction.requests.settle(
            queued[grant.request.id].sequence, RequestState.GRANTED, lease_id=lease.id
        )
        work.outcome.grants[lease.user, lease.server] = lease
        work.outcome.new_leases.append(lease.id)
    for request_id, denial in decision.refusals.items():
        deny(work, queued[request_id], denial)
    for request_id, position in decision.places.items():
        request = queued[request_id].request
        work.outcome.positions[request.user, request.server] = position
    if work.gate is None:
        work.transaction.requests.set_next(decision.next_request)


def take_out_of_service(work: UnitOfWork, uuid: str, transition: StateTransition) -> None:
    """Keep a device from being granted, for as long as its new state lasts."""
    work.transaction.gpus.set_admin_state(
        uuid, transition.admin_state, transition.past or transition.reason
    )
    log.warning("GPU %s is %s: %s", uuid, transition.admin_state.shown, transition.reason)


def return_to_service(work: UnitOfWork, recovery: Recovery) -> None:
    """Return the devices to service that have proven clean for long enough."""
    # Most of the time there are none, and then the health of all devices is not needed here.
    waits = any(record.admin_state.passes for record in work.transaction.gpus.records())
    for uuid in recovery.due(work.device_health() if waits else ()):
        work.transaction.gpus.set_admin_state(uuid, AdminState.ACTIVE, None)
        log.info("GPU %s has proven clean and is in service again.", uuid)


def deny(work: UnitOfWork, item: QueuedRequest, denial: Denial) -> None:
    """Remove a waiting request from the queue with the reason."""
    work.transaction.requests.settle(item.sequence, RequestState.DENIED, message=denial.message)
    work.outcome.denials[item.request.user, item.request.server] = denial


def withdraw(work: UnitOfWork, item: QueuedRequest, message: str | None = None) -> None:
    """Remove a waiting request from the queue because somebody asked to, or for its age."""
    work.transaction.requests.settle(item.sequence, RequestState.WITHDRAWN, message=message)
    work.outcome.denials[item.request.user, item.request.server] = WITHDRAWN


def kept_place(work: UnitOfWork, user: str, server: str) -> QueuedRequest | None:
    """Return the request of a server that the time-out removed lately, if it was the latest."""
    found = work.transaction.requests.latest_of(user, server)
    if found is None or found.state is not RequestState.WITHDRAWN or found.message != TIMED_OUT:
        return None
    if found.settled_at is None or work.now - found.settled_at > KEPT_SECONDS:
        return None
    return found


def look_up_settled(work: UnitOfWork, servers: Iterable[tuple[str, str]]) -> None:
    """Add to the outcome what became of awaited requests that do not wait any more.

    Another process may have settled them. A lost database has lost the request as well: then
    nothing is added, and the coroutine that waits asks again.
    """
    denials = work.outcome.denials
    for user, server in servers:
        found = work.transaction.requests.latest_of(user, server)
        if found is None or found.state is RequestState.WAITING:
            continue
        lease = work.transaction.leases.of_server(user, server)
        if found.state is RequestState.DENIED:
            denials[user, server] = Denial(
                "denied", found.message or Message("The request was denied.")
            )
        elif found.state is RequestState.WITHDRAWN:
            denials[user, server] = WITHDRAWN
        elif lease is None or lease.state is LeaseState.STOPPING:
            denials[user, server] = Denial(
                "ended",
                Message("The GPU was granted and taken back before the server started. Ask again."),
            )
        elif work.gate is None:
            work.outcome.grants[user, server] = lease


def _settle_if_leased(work: UnitOfWork, item: QueuedRequest) -> bool:
    """Settle a waiting request whose server has a lease already, for example an adopted one."""
    request = item.request
    lease = work.transaction.leases.of_server(request.user, request.server)
    if lease is None or lease.state is LeaseState.STOPPING:
        return False
    work.transaction.requests.settle(item.sequence, RequestState.GRANTED, lease_id=lease.id)
    work.outcome.grants[request.user, request.server] = lease
    return True


def _add_leases(work: UnitOfWork, grants: Iterable[Grant]) -> list[Lease]:
    """Store the leases of grants, with the limits of GPU-hours that hold now."""
    added = [make_lease(work, grant) for grant in grants]
    if not added:
        return []
    for lease in added:
        work.transaction.leases.add(lease)
    quotas = work.limits.of_all([(lease.user, lease.groups) for lease in added])
    accounts = work.limits.accounts()
    leases = [
        with_hour_limits(lease, quota, accounts) for lease, quota in zip(added, quotas, strict=True)
    ]
    for before, lease in zip(added, leases, strict=True):
        if lease != before:
            work.transaction.leases.update(lease)
    return leases


def make_lease(work: UnitOfWork, grant: Grant) -> Lease:
    """Return the lease of a grant."""
    return Lease(
        id=work.config.new_id(),
        user=grant.request.user,
        server=grant.request.server,
        image=grant.request.image,
        gpu_uuids=grant.gpu_uuids,
        granted_at=work.now,
        share=grant.request.share,
        expires_at=grant.expires_at,
        groups=grant.request.groups,
        slot=grant.slot,
        slots=grant.slots,
        latest_end=grant.latest_end,
        backfilled=grant.backfilled,
    )
