"""The GPUs as people see them, and what administrators decide about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpudock.broker.errors import GPUStateError
from gpudock.broker.validation import MAX_SLOTS
from gpudock.language import Message, sentences
from gpudock.model import GPUState, Lease, Telemetry
from gpudock.policy.gpu_health import AdminState, DeviceHealth, check_staleness

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.broker.transactions import Transactions
    from gpudock.broker.unit_of_work import UnitOfWork
    from gpudock.model import GPU
    from gpudock.policy.gpu_health import GPURecord


_CUT = Message("It is cut into slices, which are listed in its place.")
_UNKNOWN = Message("This lab has no GPU with that UUID.")


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
        reported: the driver reports it, as far as is known; a GPU that is gone has no index.
    """

    gpu: GPU
    state: GPUState
    reason: str | None
    lease: Lease | None
    telemetry: Telemetry
    taken_at: float | None
    in_service: bool = True
    reported: bool = True
    leases: tuple[Lease, ...] = ()
    slots: int = 1


class GPUs:
    """The devices of the lab."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def all(self) -> list[GPUStatus]:
        """Return every device with its state, in display order."""
        with self._transactions.reading() as work:
            return _statuses(work, work.device_health())

    def set_state(self, uuid: str, state: str, by: str) -> GPUStatus:
        """Drain a device, or return it to service.

        A whole GPU returns with all slices of it that are fit to.

        Args:
            uuid: the device.
            state: ``draining`` or ``active``.
            by: the user who does so, for the audit trail.

        Returns:
            The device as :meth:`all` shows it from now on. A GPU that is cut into slices is not
            listed while it is in service; its reason says so.

        Raises:
            GPUStateError: there is no such device or state, or the device would not be in that
                state afterwards, because of what is wrong with it.
        """
        if state not in (AdminState.ACTIVE, AdminState.DRAINING):
            raise GPUStateError(
                Message(
                    'A GPU can be set to "active" or "draining", not to "{state}".', state=state
                )
            )

        def change(work: UnitOfWork) -> GPUStatus:
            record = _find(work, uuid)
            if state == AdminState.DRAINING:
                _drain(work, record, by)
            elif (obstacle := _return(work, record, by)) is not None:
                problem = Message("The GPU cannot return to service yet.")
                raise GPUStateError(sentences(problem, obstacle))
            return _status(work, record)

        return self._transactions.run(change)

    def return_all(self, by: str) -> tuple[list[str], dict[str, str]]:
        """Return every device to service that is out of it, and fit to return.

        What was drained on purpose stays so.

        Args:
            by: the user who does so, for the audit trail.

        Returns:
            The UUIDs of the devices that have returned, and those of the others with the reason.
        """

        def change(work: UnitOfWork) -> tuple[list[str], dict[str, str]]:
            before = _out_of_service(work)
            # Whole GPUs first: what is wrong with one keeps its slices out of service.
            for uuid in sorted(before, key=lambda uuid: before[uuid].gpu.parent_uuid is not None):
                record = _find(work, uuid)
                health = _health(work, record)
                if health is not None and not health.in_service:
                    _return(work, record, by)
            after = _out_of_service(work)
            kept = {uuid: _why_kept(work, health) for uuid, health in after.items()}
            return [uuid for uuid in before if uuid not in after], kept

        return self._transactions.run(change)

    def set_slots(self, uuid: str, slots: int, by: str) -> GPUStatus:
        """Set how many sessions may share a device; 1 gives all of it to one session.

        Args:
            uuid: the device.
            slots: from 1 to 16.
            by: the user who does so, for the audit trail.

        Returns:
            The device as :meth:`all` shows it from now on.

        Raises:
            GPUStateError: there is no such device or number, or the device is leased.
        """
        if isinstance(slots, bool) or not isinstance(slots, int) or not 1 <= slots <= MAX_SLOTS:
            raise GPUStateError(
                Message("A GPU is shared by 1 to {most} sessions; 1 is not shared.", most=MAX_SLOTS)
            )

        def change(work: UnitOfWork) -> GPUStatus:
            record = _find(work, uuid)
            if _is_leased(work, uuid):
                raise GPUStateError(
                    Message(
                        "The GPU is leased. Drain it, and change its slots when its sessions have"
                        " ended."
                    )
                )
            if slots != record.slots:
                work.transaction.gpus.set_slots(uuid, slots)
                work.transaction.audit.record(by, "gpu.slots", uuid, record.slots, slots)
            return _status(work, record)

        return self._transactions.run(change)

    def forget(self, uuid: str, by: str) -> None:
        """Remove a device from the list that was removed from the lab.

        Args:
            uuid: the device.
            by: the user who does so, for the audit trail.

        Raises:
            GPUStateError: there is no such device, it is leased, or it is not known to be gone.
        """

        def change(work: UnitOfWork) -> None:
            record = _find(work, uuid)
            if _is_leased(work, uuid):
                raise GPUStateError(Message("The GPU is leased. Release its lease first."))
            if any(item.gpu.uuid == uuid for item in work.reading.readings):
                raise GPUStateError(
                    Message("The GPU is still reported by its host. Drain it instead.")
                )
            doubt = check_staleness(work.reading, work.now, work.config.rules)
            if doubt is not None and work.reading.expects_readings:
                problem = Message("It is not known whether the GPU is gone.")
                raise GPUStateError(sentences(problem, doubt))
            work.transaction.gpus.forget(uuid)
            work.transaction.audit.record(by, "gpu.forget", uuid, record.admin_state.shown, None)

        self._transactions.run(change)


def _find(work: UnitOfWork, uuid: str) -> GPURecord:
    for record in work.transaction.gpus.records():
        forgotten = record.admin_state is AdminState.FORGOTTEN and not _is_leased(work, uuid)
        if record.gpu.uuid == uuid and not forgotten:
            return record
    raise GPUStateError(_UNKNOWN)


def _is_leased(work: UnitOfWork, uuid: str) -> bool:
    return any(uuid in lease.gpu_uuids for lease in work.transaction.leases.live())


def _statuses(work: UnitOfWork, device_health: list[DeviceHealth]) -> list[GPUStatus]:
    held: dict[str, tuple[Lease, ...]] = {}
    for lease in work.transaction.leases.live():
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
            reported=not item.gone,
            leases=held.get(item.gpu.uuid, ()),
            slots=item.slots,
        )
        for item in device_health
    ]


def _status(work: UnitOfWork, record: GPURecord) -> GPUStatus:
    """Return a device as the list shows it; a GPU that is cut into slices may not be in it."""
    health = _health(work, record)
    if health is None:
        parts = [
            item
            for item in work.device_health()
            if item.gpu.parent_uuid == record.gpu.uuid and item.state is GPUState.LEASED
        ]
        state = GPUState.LEASED if parts else GPUState.FREE
        health = DeviceHealth(
            record.gpu, state, _CUT, grantable=False, in_service=True, slots=record.slots
        )
    (status,) = _statuses(work, [health])
    return status


def _health(
    work: UnitOfWork, record: GPURecord, changed: Iterable[GPURecord] = ()
) -> DeviceHealth | None:
    """Return the health of a device as it is, or would be if records were *changed*.

    ``None``: it is not in the list.
    """
    instead = {item.gpu.uuid: item for item in changed}
    # Nothing else bears on it than what is on the same physical GPU.
    records = [
        instead.get(item.gpu.uuid, item)
        for item in work.transaction.gpus.records()
        if item.gpu.physical_uuid == record.gpu.physical_uuid
    ]
    found = (item for item in work.device_health(records) if item.gpu.uuid == record.gpu.uuid)
    return next(found, None)


def _set_state(
    work: UnitOfWork, record: GPURecord, state: AdminState, reason: str | None, by: str
) -> None:
    work.transaction.gpus.set_admin_state(record.gpu.uuid, state, reason)
    work.transaction.audit.record(
        by, "gpu.state", record.gpu.uuid, record.admin_state.shown, state.value
    )


def _drain(work: UnitOfWork, record: GPURecord, by: str) -> None:
    reason = Message("Drained by {by}.", by=by)
    health = _health(work, record, [replace(record, admin_state=AdminState.DRAINING)])
    if health is None:
        raise GPUStateError(_UNKNOWN)
    if health.state is not GPUState.DRAINING:
        problem = Message("The GPU is out of service already.")
        raise GPUStateError(sentences(problem, health.reason or ""))
    _set_state(work, record, AdminState.DRAINING, reason, by)


def _return(work: UnitOfWork, record: GPURecord, by: str) -> str | None:
    """Return a device to service if it is fit; otherwise return why it is not."""
    if record.in_use_by is not None:
        return record.in_use_by
    stale = check_staleness(work.reading, work.now, work.config.rules)
    if stale is not None and record.admin_state is not AdminState.DRAINING:
        return stale
    returned = [_active(record)]
    if stale is None:
        returned += [_active(part) for part in _fit_slices(work, record)]
    health = _health(work, record, returned)
    if health is None:
        if not _is_cut(work, record):
            raise GPUStateError(_UNKNOWN)
    elif health.transition is not None or not health.in_service:
        return health.reason
    for item in returned:
        _set_state(work, _find(work, item.gpu.uuid), AdminState.ACTIVE, None, by)
    return None


def _active(record: GPURecord) -> GPURecord:
    return replace(record, admin_state=AdminState.ACTIVE, reason=None)


def _fit_slices(work: UnitOfWork, record: GPURecord) -> list[GPURecord]:
    """Return the slices of a GPU that are out of service and well.

    Slices that were drained one by one stay so when the GPU that they are cut from returns; a GPU
    that is used as a whole needs all of them, and one that is in service can only mean them.
    """
    in_place = [AdminState.ACTIVE, AdminState.FORGOTTEN]
    if record.admin_state is not AdminState.ACTIVE and any(
        item.gpu == record.gpu and item.mig_enabled for item in work.reading.readings
    ):
        in_place.append(AdminState.DRAINING)
    parts = []
    for part in work.transaction.gpus.records():
        if part.gpu.parent_uuid != record.gpu.uuid or part.admin_state in in_place:
            continue
        health = _health(work, part, [_active(record), _active(part)])
        if part.in_use_by is None and health is not None and health.transition is None:
            parts.append(part)
    return parts


def _is_cut(work: UnitOfWork, record: GPURecord) -> bool:
    return any(item.gpu.parent_uuid == record.gpu.uuid for item in work.reading.readings)


def _out_of_service(work: UnitOfWork) -> dict[str, DeviceHealth]:
    """Return the devices in the list that are out of service, without the drained ones."""
    return {
        item.gpu.uuid: item
        for item in work.device_health()
        if not item.in_service and item.state is not GPUState.DRAINING
    }


def _why_kept(work: UnitOfWork, health: DeviceHealth) -> str:
    obstacle = check_staleness(work.reading, work.now, work.config.rules)
    return obstacle or health.reason or Message("It is not fit for service.")
