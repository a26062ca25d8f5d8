"""The part of a transaction that is about devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from gpudock.model import GPU
from gpudock.policy.gpu_health import AdminState, GPURecord
from gpudock.store import schema
from gpudock.store.base import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection, Row


class Devices(Part):
    """The devices that the lab knows."""

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        super().__init__(connection, clock)
        # What was read stays true until this very transaction changes something.
        self._gpu_records: list[GPURecord] | None = None

    def _forget_what_was_read(self) -> None:
        super()._forget_what_was_read()
        self._gpu_records = None

    def gpu_records(self) -> list[GPURecord]:
        """Return all devices that were ever seen, in display order."""
        if self._gpu_records is None:
            table = schema.gpus
            rows = self._connection.execute(
                select(table).order_by(table.c.host, table.c.number, table.c.uuid)
            )
            self._gpu_records = [_gpu_record(row) for row in rows]
        return list(self._gpu_records)

    def save_gpu(self, gpu: GPU, seen_at: float) -> None:
        """Write down that *gpu* was reported at *seen_at*."""
        values = {
            "host": gpu.host,
            "number": gpu.index,
            "model": gpu.model,
            "memory_mib": gpu.memory_mib,
            "parent_uuid": gpu.parent_uuid,
            "mig_profile": gpu.mig_profile,
            "last_seen": seen_at,
        }
        table = schema.gpus
        if not self._change(update(table).where(table.c.uuid == gpu.uuid).values(values)):
            self._change(
                insert(table).values(
                    uuid=gpu.uuid, admin_state=AdminState.ACTIVE.value, first_seen=seen_at, **values
                )
            )

    def set_admin_state(self, uuid: str, admin_state: AdminState, reason: str | None) -> None:
        """Change what is decided about a device."""
        table = schema.gpus
        self._change(
            update(table)
            .where(table.c.uuid == uuid)
            .values(admin_state=admin_state.value, reason=reason)
        )

    def set_slots(self, uuid: str, slots: int) -> None:
        """Change how many sessions may share a device."""
        table = schema.gpus
        self._change(update(table).where(table.c.uuid == uuid).values(slots=slots))

    def set_freed(self, moments: Mapping[str, float]) -> None:
        """Write down when the last leases of devices, by UUID, ended."""
        table = schema.gpus
        statement = (
            update(table).where(table.c.uuid == bindparam("gpu")).values(freed_at=bindparam("at"))
        )
        if moments:
            self._change(statement, [{"gpu": uuid, "at": at} for uuid, at in moments.items()])

    def set_in_use_by(self, uuid: str, sentence: str | None) -> None:
        """Write down who else uses a device, ``None``: nobody."""
        table = schema.gpus
        self._change(update(table).where(table.c.uuid == uuid).values(in_use_by=sentence))

    def forget_gpu(self, uuid: str) -> None:
        """Take a device that will not come back out of the list, if no lease ever had it.

        One that was leased stays in the ledger, out of sight, until it is reported again.
        """
        table = schema.gpus
        used = schema.lease_gpus
        ever = self._connection.execute(
            select(used.c.gpu_uuid).where(used.c.gpu_uuid == uuid).limit(1)
        ).first()
        if ever is None:
            self._change(schema.gpus.delete().where(table.c.uuid == uuid))
        else:
            self.set_admin_state(uuid, AdminState.FORGOTTEN, None)


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
