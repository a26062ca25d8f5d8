"""The devices that the lab knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from gpudock.model import GPU
from gpudock.policy.gpu_health import AdminState, GPURecord
from gpudock.store import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Row

    from gpudock.store.base import Statements

# Read in each transaction. To build a query takes as long as to run it.
_ALL = select(schema.gpus).order_by(schema.gpus.c.host, schema.gpus.c.number, schema.gpus.c.uuid)


class GPUs:
    """The devices that the lab knows."""

    def __init__(self, statements: Statements) -> None:
        self._db = statements

    def records(self) -> list[GPURecord]:
        """Return all devices that were ever seen, in display order."""
        return self._db.cached("gpus", self._records)

    def _records(self) -> list[GPURecord]:
        return [_gpu_record(row) for row in self._db.read(_ALL)]

    def save(self, gpu: GPU, seen_at: float) -> None:
        """Store a device as it was reported at *seen_at* (Unix time)."""
        values = {
            "host": gpu.host,
            "number": gpu.index,
            "model": gpu.model,
            "memory_mib": gpu.memory_mib,
            "parent_uuid": gpu.parent_uuid,
            "mig_profile": gpu.mig_profile,
            "last_seen": seen_at,
        }
        if not self._update(gpu.uuid, **values):
            self._db.change(
                insert(schema.gpus).values(
                    uuid=gpu.uuid, admin_state=AdminState.ACTIVE.value, first_seen=seen_at, **values
                )
            )

    def set_admin_state(self, uuid: str, admin_state: AdminState, reason: str | None) -> None:
        """Set a device's administrative state, and why it has it."""
        self._update(uuid, admin_state=admin_state.value, reason=reason)

    def set_slots(self, uuid: str, slots: int) -> None:
        """Set how many sessions may share a device."""
        self._update(uuid, slots=slots)

    def set_in_use_by(self, uuid: str, sentence: str | None) -> None:
        """Set who else uses a device; ``None``: nobody."""
        self._update(uuid, in_use_by=sentence)

    def set_freed_at(self, times: Mapping[str, float]) -> None:
        """Set when the last leases of devices ended: UUID to Unix time."""
        self._db.set_each(schema.gpus.c.freed_at, schema.gpus.c.uuid, times)

    def forget(self, uuid: str) -> None:
        """Remove a device that will not come back.

        One that was ever leased stays in the database, hidden, until it is reported again.
        """
        table, used = schema.gpus, schema.lease_gpus
        ever = self._db.read(select(used.c.gpu_uuid).where(used.c.gpu_uuid == uuid).limit(1))
        if ever.first() is None:
            self._db.change(table.delete().where(table.c.uuid == uuid))
        else:
            self.set_admin_state(uuid, AdminState.FORGOTTEN, None)

    def _update(self, uuid: str, **values: object) -> bool:
        """Set columns of a device, and return whether there is one of that UUID."""
        table = schema.gpus
        statement = update(table).where(table.c.uuid == uuid).values(**values)
        return bool(self._db.change(statement).rowcount)


def _gpu_record(row: Row[Any]) -> GPURecord:
    return GPURecord(
        gpu=GPU(
            uuid=row.uuid,
            index=row.number,
            host=row.host,
            model=row.model,
            memory_mib=row.memory_mib,
            parent_uuid=row.parent_uuid,
            mig_profile=row.mig_profile,
        ),
        admin_state=AdminState(row.admin_state),
        reason=row.reason,
        in_use_by=row.in_use_by,
        freed_at=row.freed_at,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        slots=row.slots,
    )
