"""Which devices the engine could not give to containers, and what follows for them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gpudock.broker.scheduling import take_out_of_service
from gpudock.config.remedies import GENERATE_CDI
from gpudock.policy.delivery import (
    FAILURES_IN_A_ROW,
    all_fail,
    blamed_devices,
    device_reason,
    general_reason,
    is_undelivered,
)
from gpudock.policy.gpu_health import AdminState, StateTransition

if TYPE_CHECKING:
    from collections.abc import Collection

    from gpudock.broker.unit_of_work import UnitOfWork
    from gpudock.model import DeliveryFailure, Lease
    from gpudock.policy.gpu_health import GPURecord


class Deliveries:
    """What this process knows of the devices that the engine could not give to containers.

    The rule is that of ``gpudock.policy.delivery``. Which devices are out of service is stored. How
    often the others failed is not: another process begins to count again.
    """

    def __init__(self) -> None:
        self._failures: Counter[str] = Counter()
        # Since a container last started with a GPU.
        self._failed: set[str] = set()
        self._withdrawn: set[str] = set()

    def succeeded(self, gpu_uuids: Collection[str]) -> None:
        """Note that a container started with these devices."""
        if gpu_uuids:
            self._failed.clear()
            self._withdrawn.clear()
        for uuid in gpu_uuids:
            del self._failures[uuid]

    def failed(self, work: UnitOfWork, lease: Lease, failure: DeliveryFailure) -> None:
        """Take the devices of *lease* out of service that the engine could not give it, if any."""
        minors = {item.gpu.uuid: item.minor for item in work.reading.readings}
        named = blamed_devices(failure, lease.gpu_uuids, minors)
        blamed = () if failure.general else named or lease.gpu_uuids
        self._failed.update(blamed)
        self._failures.update(blamed)
        if failure.general or all_fail(self._failed, self._available(work, lease)):
            self._withdraw_all(work, lease, failure)
            return
        for uuid in blamed:
            if uuid in named or self._failures[uuid] >= FAILURES_IN_A_ROW:
                reason = device_reason(failure.words)
                if _withdraw(work, uuid, StateTransition(AdminState.QUARANTINED, reason)):
                    self._withdrawn.add(uuid)
                del self._failures[uuid]

    def _withdraw_all(self, work: UnitOfWork, lease: Lease, failure: DeliveryFailure) -> None:
        """Take every device out of service for a while that no other lease has."""
        reason = general_reason(failure.words, GENERATE_CDI)
        for uuid in self._available(work, lease):
            _withdraw(work, uuid, StateTransition(AdminState.UNDELIVERED, reason))
        self._failures.clear()
        self._failed.clear()
        self._withdrawn.clear()

    def _available(self, work: UnitOfWork, lease: Lease) -> list[str]:
        """Return the devices that *lease* or no lease has, in service but for failures here."""
        reported = {item.gpu.uuid for item in work.reading.readings if not item.mig_enabled}
        held = {
            uuid
            for other in work.transaction.leases.live()
            for uuid in other.gpu_uuids
            if other.id != lease.id
        }
        return [
            record.gpu.uuid
            for record in work.transaction.gpus.records()
            if record.gpu.uuid in reported - held
            and (
                record.admin_state is AdminState.ACTIVE
                or (record.gpu.uuid in self._withdrawn and _is_undelivered(record))
            )
        ]


def _withdraw(work: UnitOfWork, uuid: str, transition: StateTransition) -> bool:
    """Take a device out of service, unless another decision keeps it there; return whether.

    What was quarantined because it failed alone may turn out not to be at fault.
    """
    for record in work.transaction.gpus.records():
        former = record.admin_state
        if record.gpu.uuid == uuid and (
            former is AdminState.ACTIVE or former.passes or _is_undelivered(record)
        ):
            take_out_of_service(work, uuid, transition)
            return True
    return False


def _is_undelivered(record: GPURecord) -> bool:
    return record.admin_state is AdminState.QUARANTINED and is_undelivered(record.reason)
