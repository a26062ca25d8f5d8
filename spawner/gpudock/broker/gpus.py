"""The GPUs as people see them, and what administrators decide about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpudock.broker.errors import GPUStateError
from gpudock.broker.validation import MAX_SLOTS
from gpudock.model import GPUState, Lease, Telemetry
from gpudock.policy.gpu_health import AdminState, check_staleness

if TYPE_CHECKING:
    from gpudock.broker.transactions import Transactions
    from gpudock.broker.unit_of_work import UnitOfWork
    from gpudock.model import GPU
    from gpudock.policy.gpu_health import GPURecord


_OUT_OF_SERVICE = (
    AdminState.OCCUPIED,
    AdminState.UNSTABLE,
    AdminState.QUARANTINED,
    AdminState.LOST,
)


@dataclass(frozen=True, slots=True)
class GPUStatus:
    """A device as people see it.

    Attributes:
        gpu: the device.
        state: the one state that it is in; a state that keeps it from being granted comes before
            ``leased``, so look at ``lease`` to know whether somebody has it.
        reason: one sentence on why it is neither free nor simply leased.
        lease: the live lease that holds it, the oldest of several.
        leases: all live leases that have it, or a slot of it; the oldest first.
        slots: how many sessions may share it; 1: one session has all of it.
        telemetry: its latest values.
        taken_at: when those were read (Unix time).
        in_service: it is granted, or leased, or will be within seconds.
    """

    gpu: GPU
    state: GPUState
    reason: str | None
    lease: Lease | None
    telemetry: Telemetry
    taken_at: float | None
    in_service: bool = True
    leases: tuple[Lease, ...] = ()
    slots: int = 1


class GPUs:
    """The devices of the lab."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def all(self) -> list[GPUStatus]:
        """Return every device with its state, in display order."""
        with self._transactions.reading() as work:
            device_health = work.device_health()
            leases = work.transaction.leases.live()
        held: dict[str, tuple[Lease, ...]] = {}
        for lease in leases:
            for uuid in lease.gpu_uuids:
                held[uuid] = (*held.get(uuid, ()), lease)
        readings = {item.gpu.uuid: item for item in work.reading.readings}
        order = {uuid: number for number, uuid in enumerate(readings)}
        device_health.sort(key=lambda item: order.get(item.gpu.uuid, len(order)))
        return [
            GPUStatus(
                gpu=item.gpu,
                state=item.state,
                reason=item.reason,
                lease=next(iter(held.get(item.gpu.uuid, ())), None),
                telemetry=(
                    readings[item.gpu.uuid].telemetry if item.gpu.uuid in readings else Telemetry()
                ),
                taken_at=work.reading.taken_at if item.gpu.uuid in readings else None,
                in_service=item.in_service,
                leases=held.get(item.gpu.uuid, ()),
                slots=item.slots,
            )
            for item in device_health
        ]

    def set_state(self, uuid: str, state: str, by: str) -> None:
        """Drain a device, or return it to service.

        Args:
            uuid: the device.
            state: ``draining`` or ``active``.
            by: the user who does so, for the audit trail.

        Raises:
            GPUStateError: there is no such device or state, or it is not fit to return.
        """
        if state not in (AdminState.ACTIVE, AdminState.DRAINING):
            raise GPUStateError(f'A GPU can be set to "active" or "draining", not to "{state}".')

        def change(work: UnitOfWork) -> None:
            record = _find(work, uuid)
            reason = None
            if state == AdminState.DRAINING:
                reason = f"Drained by {by}."
            elif (obstacle := _obstacle_to_return(work, record)) is not None:
                raise GPUStateError(f"The GPU cannot return to service yet. {obstacle}")
            _set_state(work, record, AdminState(state), reason, by)

        self._transactions.run(change)

    def return_all(self, by: str) -> tuple[list[str], dict[str, str]]:
        """Return every device to service that is quarantined or lost, and fit to return.

        What was drained on purpose stays so.

        Args:
            by: the user who does so, for the audit trail.

        Returns:
            The UUIDs of the devices that have returned, and those of the others with the reason.
        """

        def change(work: UnitOfWork) -> tuple[list[str], dict[str, str]]:
            returned: list[str] = []
            kept: dict[str, str] = {}
            for record in work.transaction.gpus.records():
                if record.admin_state not in _OUT_OF_SERVICE:
                    continue
                obstacle = _obstacle_to_return(work, record)
                if obstacle is None:
                    _set_state(work, record, AdminState.ACTIVE, None, by)
                    returned.append(record.gpu.uuid)
                else:
                    kept[record.gpu.uuid] = obstacle
            return returned, kept

        return self._transactions.run(change)

    def set_slots(self, uuid: str, slots: int, by: str) -> None:
        """Set how many sessions may share a device; 1 gives all of it to one session.

        Args:
            uuid: the device.
            slots: from 1 to 16.
            by: the user who does so, for the audit trail.

        Raises:
            GPUStateError: there is no such device or number, or the device is leased.
        """
        if isinstance(slots, bool) or not isinstance(slots, int) or not 1 <= slots <= MAX_SLOTS:
            raise GPUStateError(f"A GPU is shared by 1 to {MAX_SLOTS} sessions; 1 is not shared.")

        def change(work: UnitOfWork) -> None:
            record = _find(work, uuid)
            if _is_leased(work, uuid):
                raise GPUStateError(
                    "The GPU is leased. Drain it, and change its slots when its sessions have"
                    " ended."
                )
            if slots != record.slots:
                work.transaction.gpus.set_slots(uuid, slots)
                work.transaction.audit.record(by, "gpu.slots", uuid, record.slots, slots)

        self._transactions.run(change)

    def forget(self, uuid: str, by: str) -> None:
        """Remove a device from the list that was removed from the lab.

        Args:
            uuid: the device.
            by: the user who does so, for the audit trail.

        Raises:
            GPUStateError: there is no such device, it is leased, or it is still reported.
        """

        def change(work: UnitOfWork) -> None:
            record = _find(work, uuid)
            if _is_leased(work, uuid):
                raise GPUStateError("The GPU is leased. Release its lease first.")
            if any(item.gpu.uuid == uuid for item in work.reading.readings):
                raise GPUStateError("The GPU is still reported by its host. Drain it instead.")
            work.transaction.gpus.forget(uuid)
            work.transaction.audit.record(by, "gpu.forget", uuid, record.admin_state.shown, None)

        self._transactions.run(change)


def _find(work: UnitOfWork, uuid: str) -> GPURecord:
    for record in work.transaction.gpus.records():
        if record.gpu.uuid == uuid:
            return record
    raise GPUStateError("This lab has no GPU with that UUID.")


def _set_state(
    work: UnitOfWork, record: GPURecord, state: AdminState, reason: str | None, by: str
) -> None:
    work.transaction.gpus.set_admin_state(record.gpu.uuid, state, reason)
    work.transaction.audit.record(
        by, "gpu.state", record.gpu.uuid, record.admin_state.shown, state.value
    )


def _is_leased(work: UnitOfWork, uuid: str) -> bool:
    return any(uuid in lease.gpu_uuids for lease in work.transaction.leases.live())


def _obstacle_to_return(work: UnitOfWork, record: GPURecord) -> str | None:
    """Return why a device is not fit to return to service; ``None`` when it is."""
    if record.in_use_by is not None:
        return record.in_use_by
    stale = check_staleness(work.reading, work.now, work.config.rules)
    if stale is not None:
        return None if record.admin_state is AdminState.DRAINING else stale
    returned = replace(record, admin_state=AdminState.ACTIVE, reason=None)
    records = [
        returned if other.gpu.uuid == record.gpu.uuid else other
        for other in work.transaction.gpus.records()
    ]
    for health in work.device_health(records):
        if health.gpu.uuid != record.gpu.uuid:
            continue
        if health.transition is not None:
            return health.transition.reason
        if health.state is GPUState.LOST:
            return health.reason
    return None
