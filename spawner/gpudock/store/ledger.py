"""The part of a transaction that administrators fill: quotas, and who changed what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, insert, or_, select, update

from gpudock.store import schema
from gpudock.store.errors import StoreConflict
from gpudock.store.part import Part

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import ColumnElement

# Databases limit how many values a query may name.
_MOST_NAMES = 10_000


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
class QuotaDocument:
    """What one level says about somebody's limits.

    Attributes:
        level: ``default``, ``group`` or ``user``.
        name: of the group or user; empty for the default.
        document: the fields that the level sets.
        revision: changes with every change; no two documents ever have the same.
        updated_at: Unix time of the latest change.
        updated_by: who made it.
    """

    level: str
    name: str
    document: Mapping[str, Any]
    revision: int
    updated_at: float
    updated_by: str


class QuotaMoved(StoreConflict):
    """A quota document is not the one that a change was made from; :attr:`stored` is the present.

    ``None``: there is none any more.
    """

    def __init__(self, level: str, name: str, stored: QuotaDocument | None) -> None:
        super().__init__(f"The quota of {level} {name} has changed meanwhile.")
        self.level = level
        self.name = name
        self.stored = stored


class Ledger(Part):
    """Quota documents and the audit trail."""

    # Quotas.

    def quota_documents(
        self, users: Collection[str], groups: Collection[str]
    ) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the documents of these users and groups and of the default level.

        The key is (level, name): ``("default", "")``, ``("group", …)``, ``("user", …)``.
        """
        table = schema.quotas
        query = select(table.c.level, table.c.name, table.c.document)
        if len(users) + len(groups) <= _MOST_NAMES:
            query = query.where(
                or_(
                    table.c.level == "default",
                    and_(table.c.level == "group", table.c.name.in_(list(groups))),
                    and_(table.c.level == "user", table.c.name.in_(list(users))),
                )
            )
        return {(row.level, row.name): row.document for row in self._connection.execute(query)}

    def all_quota_documents(self) -> list[QuotaDocument]:
        """Return every document, by level and name."""
        table = schema.quotas
        rows = self._connection.execute(select(table).order_by(table.c.level, table.c.name))
        return [
            QuotaDocument(
                row.level, row.name, row.document, row.revision, row.updated_at, row.updated_by
            )
            for row in rows
        ]

    def quota_document(self, level: str, name: str) -> QuotaDocument | None:
        """Return one document."""
        table = schema.quotas
        row = self._connection.execute(
            select(table).where(table.c.level == level, table.c.name == name)
        ).first()
        if row is None:
            return None
        return QuotaDocument(
            level, name, row.document, row.revision, row.updated_at, row.updated_by
        )

    def set_quota(
        self,
        level: str,
        name: str,
        document: Mapping[str, object] | None,
        by: str,
        revision: int | None = None,
    ) -> QuotaDocument | None:
        """Set or, with ``None``, remove one level's document; the change goes into the audit.

        Args:
            level: ``default``, ``group`` or ``user``.
            name: the group's or user's name; empty for the default.
            document: a parsed document (see ``gpudock.policy.documents``).
            by: the user who changes it.
            revision: of the document that the change was made from, 0 if there was none; ``None``:
                whatever is there.

        Returns:
            The document as it is now.

        Raises:
            QuotaMoved: another document is there than the one that the change was made from.
        """
        table = schema.quotas
        stored = self.quota_document(level, name)
        if revision is not None and revision != (stored.revision if stored else 0):
            raise QuotaMoved(level, name, stored)
        before = None if stored is None else dict(stored.document)
        after = None if document is None else _plain(document)
        if before == after:
            return stored
        here = and_(table.c.level == level, table.c.name == name)
        number = self._number("quota_revision") + 1
        self._set_number("quota_revision", number)
        values = {
            "document": after,
            "updated_at": self.clock(),
            "updated_by": by,
            "revision": number,
        }
        if after is None:
            self._change(delete(table).where(here))
        elif not self._change(update(table).where(here).values(values)):
            self._change(insert(table).values(level=level, name=name, **values))
        what = "quota.unset" if after is None else "quota.set"
        self.record(by, what, f"{level}/{name}" if name else level, before, after)
        return None if after is None else self.quota_document(level, name)

    # The audit trail.

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
        return self._entries(select(table).order_by(table.c.sequence))

    def audit_page(
        self,
        offset: int,
        limit: int,
        *,
        by: str | None = None,
        what: str | None = None,
        target: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> tuple[list[AuditEntry], int]:
        """Return a page of the audit trail, the newest first, and how many entries there are.

        Args:
            offset: how many to leave out.
            limit: how many to return at most.
            by: only what this user did.
            what: only this kind of change; ``quota`` stands for ``quota.set`` and ``quota.unset``.
            target: only what was done to this.
            since: only what was done from this moment on (Unix time).
            until: only what was done before this moment (Unix time).
        """
        table = schema.audit
        conditions: list[ColumnElement[bool]] = [table.c.sequence.is_not(None)]
        if by is not None:
            conditions.append(table.c.by == by)
        if what is not None:
            kinds = table.c.what.startswith(f"{what}.", autoescape=True)
            conditions.append(or_(table.c.what == what, kinds))
        if target is not None:
            conditions.append(table.c.target == target)
        if since is not None:
            conditions.append(table.c.at >= since)
        if until is not None:
            conditions.append(table.c.at < until)
        total = self._connection.execute(
            select(func.count()).select_from(table).where(*conditions)
        ).scalar()
        page = (
            select(table)
            .where(*conditions)
            .order_by(table.c.sequence.desc())
            .offset(offset)
            .limit(limit)
        )
        return self._entries(page), int(total or 0)

    def _entries(self, query: Any) -> list[AuditEntry]:
        return [
            AuditEntry(row.at, row.by, row.what, row.target, row.before, row.after, row.sequence)
            for row in self._connection.execute(query)
        ]


def _plain(document: Mapping[str, object]) -> dict[str, object]:
    """Return a document as it comes back from the database."""
    return {
        name: _plain(value)
        if isinstance(value, dict)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in document.items()
    }
