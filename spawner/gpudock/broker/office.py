"""The broker's office: how every device stands, and what administrators decide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpudock.broker.core import Core
from gpudock.broker.devices import find_device, obstacle_to_return
from gpudock.broker.errors import GPURefused
from gpudock.model import GPUState, Lease, Telemetry
from gpudock.policy import quota as quotas
from gpudock.policy.condition import Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gpudock.model import GPU
    from gpudock.policy.quota import EffectiveQuota


@dataclass(frozen=True, slots=True)
class GPUStatus:
    """A device as people see it.

    Attributes:
        gpu: the device.
        state: the one state that it is in; a state that bars it from being granted comes before
            ``leased``, so look at ``lease`` to know whether somebody has it.
        reason: one sentence on why it is neither free nor simply leased.
        lease: the live lease that holds it.
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


class Office(Core):
    """Devices and quotas."""

    # Devices.

    def gpus(self) -> list[GPUStatus]:
        """Return every device with its state, in display order."""
        with self._reading_lab() as lab:
            conditions = lab.conditions()
            leases = lab.transaction.live_leases()
        held = {uuid: lease for lease in leases for uuid in lease.gpu_uuids}
        readings = {item.gpu.uuid: item for item in lab.reading.readings}
        order = {uuid: number for number, uuid in enumerate(readings)}
        conditions.sort(key=lambda item: order.get(item.gpu.uuid, len(order)))
        return [
            GPUStatus(
                gpu=item.gpu,
                state=item.state,
                reason=item.reason,
                lease=held.get(item.gpu.uuid),
                telemetry=(
                    readings[item.gpu.uuid].telemetry if item.gpu.uuid in readings else Telemetry()
                ),
                taken_at=lab.reading.taken_at if item.gpu.uuid in readings else None,
                in_service=item.in_service,
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
        if state not in (Standing.ACTIVE, Standing.DRAINING):
            raise GPURefused(f"A GPU can be set to «active» or «draining», not to «{state}».")
        with self._lab() as lab:
            record = find_device(lab, uuid)
            if state == Standing.ACTIVE:
                obstacle = obstacle_to_return(lab, record)
                if obstacle is not None:
                    raise GPURefused(f"The GPU cannot return to service yet. {obstacle}")
                reason = None
            else:
                reason = f"Drained by {by}."
            lab.transaction.set_standing(uuid, Standing(state), reason)
            lab.transaction.record(by, "gpu.state", uuid, record.standing.value, str(state))

    def forget_gpu(self, uuid: str, by: str) -> None:
        """Take a device that was removed from the lab out of the list.

        Raises:
            GPURefused: there is no such device, it is leased, or it is still reported.
        """
        with self._lab() as lab:
            record = find_device(lab, uuid)
            if any(uuid in lease.gpu_uuids for lease in lab.transaction.live_leases()):
                raise GPURefused("The GPU is leased. Release its lease first.")
            if any(item.gpu.uuid == uuid for item in lab.reading.readings):
                raise GPURefused("The GPU is still reported by its host. Drain it instead.")
            lab.transaction.forget_gpu(uuid)
            lab.transaction.record(by, "gpu.forget", uuid, record.standing.value, None)

    # Quotas.

    def quota(self, user: str, groups: Iterable[str]) -> EffectiveQuota:
        """Return the limits in force for *user*, where each came from, and what is used."""
        with self._reading_lab() as lab:
            effective = lab.effective(user, groups)
            used = quotas.usage(lab.transaction.live_leases(), user)
        return replace(effective, used=used)

    def set_quota(
        self, level: str, name: str, document: Mapping[str, object] | None, by: str
    ) -> None:
        """Set one level's partial document, or remove it with ``None``; nobody's lease ends.

        Args:
            level: ``default``, ``group`` or ``user``.
            name: the group or user; empty for the default.
            document: the fields that this level sets.
            by: the user who does so, for the audit trail.

        Raises:
            QuotaDocumentError: the document is not acceptable.
        """
        parsed = None if document is None else quotas.parse_document(document, level)
        with self._lab() as lab:
            lab.transaction.set_quota(level, name, parsed, by)
