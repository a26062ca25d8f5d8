"""The part of a transaction that administrators fill: quotas, and who changed what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from gpudock.store import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change that a person made.

    Attributes:
        at: Unix time.
        by: the user who made it.
        what: kind of change, for example ``gpu.state`` or ``quota.set``.
        target: what was changed.
        before, after: its value; ``None`` where there was none.
    """

    at: float
    by: str
    what: str
    target: str
    before: Any
    after: Any


class Ledger:
    """Quota documents and the audit trail."""

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self.clock = clock

    def _change(self, statement: Any) -> int:
        raise NotImplementedError

    def set_quota(
        self, level: str, name: str, document: Mapping[str, object] | None, by: str
    ) -> None:
        """Set or, with ``None``, remove one level's document; the change goes into the audit.

        Args:
            level: ``default``, ``group`` or ``user``.
            name: the group's or user's name; empty for the default.
            document: a parsed document (see ``gpudock.policy.quota.parse_document``).
            by: the user who changes it.
        """
        table = schema.quotas
        here = (table.c.level == level) & (table.c.name == name)
        before = self._connection.execute(select(table.c.document).where(here)).scalar()
        if document is None:
            self._change(delete(table).where(here))
        else:
            values = {"document": dict(document), "updated_at": self.clock(), "updated_by": by}
            if not self._change(update(table).where(here).values(values)):
                self._change(insert(table).values(level=level, name=name, **values))
        what = "quota.unset" if document is None else "quota.set"
        target = f"{level}/{name}" if name else level
        self.record(by, what, target, before, None if document is None else dict(document))

    def record(self, by: str, what: str, target: str, before: Any, after: Any) -> None:
        """Write down a change that a person made."""
        self._change(
            insert(schema.audit).values(
                at=self.clock(), by=by, what=what, target=target, before=before, after=after
            )
        )

    def audit(self) -> list[AuditEntry]:
        """Return the audit trail, oldest first."""
        table = schema.audit
        rows = self._connection.execute(select(table).order_by(table.c.sequence))
        return [
            AuditEntry(row.at, row.by, row.what, row.target, row.before, row.after) for row in rows
        ]
