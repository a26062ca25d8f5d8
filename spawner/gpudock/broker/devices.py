"""Whether a device may return to service by an explicit act."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpudock.broker.errors import GPURefused
from gpudock.model import GPUState
from gpudock.policy.gpu_health import AdminState, check_staleness

if TYPE_CHECKING:
    from gpudock.broker.unit_of_work import Lab
    from gpudock.policy.gpu_health import GPURecord


def find_device(lab: Lab, uuid: str) -> GPURecord:
    """Return what is known about a device.

    Raises:
        GPURefused: there is none of that UUID.
    """
    for record in lab.transaction.gpu_records():
        if record.gpu.uuid == uuid:
            return record
    raise GPURefused("This lab has no GPU with that UUID.")


def obstacle_to_return(lab: Lab, record: GPURecord) -> str | None:
    """Tell why a device is not fit to return to service; ``None`` when it is."""
    if record.in_use_by is not None:
        return record.in_use_by
    doubt = check_staleness(lab.reading, lab.now, lab.terms.rules)
    if doubt is not None:
        return None if record.admin_state is AdminState.DRAINING else doubt
    returned = replace(record, admin_state=AdminState.ACTIVE, reason=None)
    records = [
        returned if other.gpu.uuid == record.gpu.uuid else other
        for other in lab.transaction.gpu_records()
    ]
    for condition in lab.conditions(records):
        if condition.gpu.uuid != record.gpu.uuid:
            continue
        if condition.transition is not None:
            return condition.transition.reason
        if condition.state is GPUState.LOST:
            return condition.reason
    return None
