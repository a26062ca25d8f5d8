"""The broker's office for devices: how each stands, and what administrators decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpudock.broker.devices import find_device, obstacle_to_return
from gpudock.broker.errors import GPURefused
from gpudock.broker.transactions import Core
from gpudock.broker.validation import MOST_SLOTS
from gpudock.model import GPUState, Lease, Telemetry
from gpudock.policy.gpu_health import AdminState

if TYPE_CHECKING:
    from gpudock.model import GPU


@dataclass(frozen=True, slots=True)
class GPUStatus:
    """A device as people see it.

    Attributes:
        gpu: the device.
        state: the one state that it is in; a state that bars it from being granted comes before
            ``leased``, so look at ``lease`` to know whether somebody has it.
        reason: one sentence on why it is neither free nor simply leased.
        lease: the live lease that holds it, the oldest of several.
        leases: all live leases that have it, or a slot of it; the oldest first.
        slots: how many sessions may share it; 1: it is given to one session as a whole.
        telemetry: its latest values.
        taken_at: when those were read (Unix time).
        in_service: it is granted again by itself, without anybody's act.
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


class Office(Core):
    """Devices."""

    def gpus(self) -> list[GPUStatus]:
        """Return every device with its state, in display order."""
        with self._reading_lab() as lab:
            conditions = lab.conditions()
            leases = lab.transaction.live_leases()
        held: dict[str, tuple[Lease, ...]] = {}
        for lease in leases:
            for uuid in lease.gpu_uuids:
                held[uuid] = (*held.get(uuid, ()), lease)
        readings = {item.gpu.uuid: item for item in lab.reading.readings}
        order = {uuid: number for number, uuid in enumerate(readings)}
        conditions.sort(key=lambda item: order.get(item.gpu.uuid, len(order)))
        return [
            GPUStatus(
                gpu=item.gpu,
                state=item.state,
                reason=item.reason,
                lease=next(iter(held.get(item.gpu.uuid, ())), None),
                telemetry=(
                    readings[item.gpu.uuid].telemetry if item.gpu.uuid in readings else Telemetry()
                ),
                taken_at=lab.reading.taken_at if item.gpu.uuid in readings else None,
                in_service=item.in_service,
                leases=held.get(item.gpu.uuid, ()),
                slots=item.slots,
            )
            for item in conditions
        ]

    def set_gpu_state(self, uuid: str, state: str, by: str) -> None:
        """Drain a device, or return it to service.

        Args:
            uuid: the device.
            state: ``draining`` or ``active``.
            by: the user who does so, for the audit trail.

        Raises:
            GPURefused: there is no such device or state, or it is not fit to return.
        """
        if state not in (AdminState.ACTIVE, AdminState.DRAINING):
            raise GPURefused(f"A GPU can be set to «active» or «draining», not to «{state}».")
        with self._change() as lab:
            record = find_device(lab, uuid)
            if state == AdminState.ACTIVE:
                obstacle = obstacle_to_return(lab, record)
                if obstacle is not None:
                    raise GPURefused(f"The GPU cannot return to service yet. {obstacle}")
                reason = None
            else:
                reason = f"Drained by {by}."
            lab.transaction.set_admin_state(uuid, AdminState(state), reason)
            lab.transaction.record(by, "gpu.state", uuid, record.admin_state.value, str(state))

    def set_gpu_slots(self, uuid: str, slots: int, by: str) -> None:
        """Say how many sessions may share a device; 1 gives it to one session as a whole.

        Args:
            uuid: the device.
            slots: from 1 to 16.
            by: the user who does so, for the audit trail.

        Raises:
            GPURefused: there is no such device or number, or the device is leased.
        """
        if isinstance(slots, bool) or not isinstance(slots, int) or not 1 <= slots <= MOST_SLOTS:
            raise GPURefused(f"A GPU is shared by 1 to {MOST_SLOTS} sessions; 1 is not shared.")
        with self._change() as lab:
            record = find_device(lab, uuid)
            if any(uuid in lease.gpu_uuids for lease in lab.transaction.live_leases()):
                raise GPURefused(
                    "The GPU is leased. Drain it, and change its slots when its sessions have"
                    " ended."
                )
            if slots != record.slots:
                lab.transaction.set_slots(uuid, slots)
                lab.transaction.record(by, "gpu.slots", uuid, record.slots, slots)

    def forget_gpu(self, uuid: str, by: str) -> None:
        """Take a device that was removed from the lab out of the list.

        Raises:
            GPURefused: there is no such device, it is leased, or it is still reported.
        """
        with self._change() as lab:
            record = find_device(lab, uuid)
            if any(uuid in lease.gpu_uuids for lease in lab.transaction.live_leases()):
                raise GPURefused("The GPU is leased. Release its lease first.")
            if any(item.gpu.uuid == uuid for item in lab.reading.readings):
                raise GPURefused("The GPU is still reported by its host. Drain it instead.")
            lab.transaction.forget_gpu(uuid)
            lab.transaction.record(by, "gpu.forget", uuid, record.admin_state.value, None)
