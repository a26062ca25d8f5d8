"""The audit trail: who changed what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, and_, cast, func, insert, or_, select, update

from gpudock.store import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement

    from gpudock.store.base import Statements


BY_LEAD = ".lead"
"""What the kind of a change ends with if the lead of a group made it."""

_MAX_TARGETS = 500


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change that a person made.

    Attributes:
        at: Unix time.
        by: the user who made it.
        what: kind of change, for example ``gpu.state`` or ``quota.set``.
        target: what was changed.
        before, after: its value; ``None`` where there was none.
        sequence: its number; later entries have higher ones.
    """

    at: float
    by: str
    what: str
    target: str
    before: Any
    after: Any
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries of the audit trail to return; all of them by default.

    Attributes:
        by: only changes by this user.
        what: only this kind of change; ``quota`` stands for ``quota.set`` and ``quota.unset``, and
            ``quota.set`` also for ``quota.set.lead``.
        target: only changes of this target; a name stands for everything of that user or group.
        since: only changes from this time on (Unix time).
        until: only changes before this time (Unix time).
    """

    by: str | None = None
    what: str | None = None
    target: str | None = None
    since: float | None = None
    until: float | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions that an entry has to meet."""
        table = schema.audit
        # Earlier versions also recorded changes that changed nothing.
        before, after = cast(table.c.before, Text), cast(table.c.after, Text)
        conditions: list[ColumnElement[bool]] = [before.is_distinct_from(after)]
        if self.by is not None:
            conditions.append(table.c.by == self.by)
        if self.what is not None:
            kinds = table.c.what.startswith(f"{self.what}.", autoescape=True)
            conditions.append(or_(table.c.what == self.what, kinds))
        if self.target is not None:
            conditions.append(self._is_target(self.target))
        if self.since is not None:
            conditions.append(table.c.at >= self.since)
        if self.until is not None:
            conditions.append(table.c.at < self.until)
        return conditions

    @staticmethod
    def _is_target(name: str) -> ColumnElement[bool]:
        """Return the condition for changes of a target, of which a session is named by its id."""
        table, leases = schema.audit, schema.leases
        sessions = select(leases.c.id).where(leases.c.username == name)
        return or_(
            table.c.target.in_([name, f"user/{name}", f"group/{name}"]),
            and_(
                table.c.what.startswith("queue."),
                table.c.target.startswith(f"{name}/", autoescape=True),
            ),
            and_(table.c.what.startswith("lease."), table.c.target.in_(sessions)),
        )


class AuditTrail:
    """The changes that people made."""

    def __init__(self, statements: Statements) -> None:
        self._db = statements

    def record(self, by: str, what: str, target: str, before: Any, after: Any) -> None:
        """Add a change that a person made, unless it changed nothing."""
        if before == after:
            return
        self.add([AuditEntry(self._db.clock(), by, what, target, before, after)])

    def continue_or_record(
        self, by: str, what: str, target: str, before: Any, after: Any, *, since: float
    ) -> None:
        """Add a change that goes on from the latest one like it, which then shows both as one.

        Args:
            by: the user who made it.
            what: kind of change.
            target: what was changed.
            before: its value, which the latest such change must have led to.
            after: its value now.
            since: the latest change counts from this time on (Unix time).
        """
        table = schema.audit
        alike = AuditFilter(by=by, what=what, target=target, since=since)
        query = select(table).where(*alike.conditions()).order_by(table.c.sequence.desc()).limit(1)
        for latest in self._entries(query):
            if latest.after == before:
                here = table.c.sequence == latest.sequence
                self._db.change(update(table).where(here).values(after=after))
                return
        self.record(by, what, target, before, after)

    def add(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries; their sequence numbers are ignored."""
        names = ("at", "by", "what", "target", "before", "after")
        rows = [{name: getattr(entry, name) for name in names} for entry in entries]
        self._db.change(insert(schema.audit), rows)

    def page(
        self, offset: int, limit: int, wanted: AuditFilter | None = None
    ) -> tuple[list[AuditEntry], int]:
        """Return a page of the audit trail, the newest first, and the number of entries.

        Args:
            offset: how many entries to skip.
            limit: how many entries to return at most.
            wanted: which entries; ``None``: all.
        """
        table = schema.audit
        conditions = (wanted or AuditFilter()).conditions()
        total = self._db.read(select(func.count()).select_from(table).where(*conditions)).scalar()
        page = (
            select(table)
            .where(*conditions)
            .order_by(table.c.sequence.desc())
            .offset(offset)
            .limit(limit)
        )
        return self._entries(page), int(total or 0)

    def quota_changes(self, users: Iterable[str]) -> dict[str, list[AuditEntry]]:
        """Return the changes of users' quota documents by user, the oldest first."""
        table = schema.audit
        targets = sorted(f"user/{user}" for user in users)
        found: dict[str, list[AuditEntry]] = {}
        for start in range(0, len(targets), _MAX_TARGETS):
            query = (
                select(table)
                .where(
                    table.c.target.in_(targets[start : start + _MAX_TARGETS]),
                    *AuditFilter(what="quota").conditions(),
                )
                .order_by(table.c.sequence)
            )
            for entry in self._entries(query):
                found.setdefault(entry.target.removeprefix("user/"), []).append(entry)
        return found

    def _entries(self, query: Any) -> list[AuditEntry]:
        return [
            AuditEntry(row.at, row.by, row.what, row.target, row.before, row.after, row.sequence)
            for row in self._db.read(query)
        ]
