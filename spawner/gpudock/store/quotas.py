"""The quota documents of users, groups and the default level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, insert, or_, select, update

from gpudock.store import schema
from gpudock.store.audit import BY_LEAD, AuditEntry
from gpudock.store.errors import QuotaRevisionError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Row

    from gpudock.store.audit import AuditTrail
    from gpudock.store.base import Statements

# Databases limit how many values a query may name, and naming many takes longer than reading all.
_MAX_NAMES = 500

_HERE = and_(
    schema.quotas.c.level == bindparam("its_level"), schema.quotas.c.name == bindparam("its_name")
)


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


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """A change of one level's document.

    Attributes:
        level: ``default``, ``group`` or ``user``.
        name: of the group or user; empty for the default.
        document: the fields that the level is to set; ``None`` removes its document.
        revision: of the document that the change was made from, 0 if there was none; ``None``:
            whatever is there.
    """

    level: str
    name: str
    document: Mapping[str, object] | None
    revision: int | None = None


class Quotas:
    """What each level says about its members' limits."""

    def __init__(self, statements: Statements, audit: AuditTrail) -> None:
        self._db = statements
        self._audit = audit

    def of(
        self, users: Collection[str], groups: Collection[str]
    ) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the documents of these users and groups and of the default level.

        The key is (level, name): ``("default", "")``, ``("group", …)``, ``("user", …)``.
        """
        table = schema.quotas
        query = select(table.c.level, table.c.name, table.c.document)
        if len(users) + len(groups) <= _MAX_NAMES:
            query = query.where(
                or_(
                    table.c.level == "default",
                    and_(table.c.level == "group", table.c.name.in_(list(groups))),
                    and_(table.c.level == "user", table.c.name.in_(list(users))),
                )
            )
        return {(row.level, row.name): row.document for row in self._db.read(query)}

    def all(self) -> list[QuotaDocument]:
        """Return every document, by level and name."""
        table = schema.quotas
        rows = self._db.read(select(table).order_by(table.c.level, table.c.name))
        return [_document(row) for row in rows]

    @property
    def revision(self) -> int:
        """The latest revision of any document, which changes with every change and removal."""
        return self._db.number("quota_revision")

    def get(self, level: str, name: str) -> QuotaDocument | None:
        """Return one document."""
        table = schema.quotas
        row = self._db.read(
            select(table).where(table.c.level == level, table.c.name == name)
        ).first()
        return None if row is None else _document(row)

    def set(
        self, changes: Sequence[QuotaChange], by: str, *, by_lead: bool = False
    ) -> list[QuotaDocument | None]:
        """Set or remove documents, no two of them the same one; the changes go into the audit.

        Args:
            changes: with parsed documents (see ``gpudock.policy.quota.documents``).
            by: the user who makes them.
            by_lead: whether they do so as the lead of a group.

        Returns:
            For each change the document as it is now.

        Raises:
            QuotaRevisionError: another document is there than the one that a change was made from.
        """
        present = self._present(changes)
        number = self._db.number("quota_revision")
        now = self._db.clock()
        found: list[QuotaDocument | None] = []
        entries: list[AuditEntry] = []
        put: list[QuotaDocument] = []
        gone: list[tuple[str, str]] = []
        for change in changes:
            place = (change.level, change.name)
            stored = present.get(place)
            if change.revision not in (None, stored.revision if stored else 0):
                raise QuotaRevisionError(*place, stored)
            before = None if stored is None else dict(stored.document)
            after = None if change.document is None else plain(change.document)
            if before == after:
                found.append(stored)
                continue
            number += 1
            target = "/".join(place) if change.name else change.level
            what = "quota.unset" if after is None else "quota.set"
            what += BY_LEAD if by_lead else ""
            entries.append(AuditEntry(now, by, what, target, before, after))
            if after is None:
                gone.append(place)
                found.append(None)
            else:
                put.append(QuotaDocument(*place, after, number, now, by))
                found.append(put[-1])
        if entries:
            self._db.set_number("quota_revision", number)
            self._remove(gone)
            self._put([item for item in put if (item.level, item.name) in present], new=False)
            self._put([item for item in put if (item.level, item.name) not in present], new=True)
            self._audit.add(entries)
        return found

    def _present(self, changes: Sequence[QuotaChange]) -> dict[tuple[str, str], QuotaDocument]:
        """Return the documents that changes are about; of many changes, all that there are."""
        if len(changes) > 1:
            documents = self.all()
        else:
            looked_up = (self.get(change.level, change.name) for change in changes)
            documents = [item for item in looked_up if item is not None]
        return {(item.level, item.name): item for item in documents}

    def _remove(self, places: Sequence[tuple[str, str]]) -> None:
        if places:
            rows = [{"its_level": level, "its_name": name} for level, name in places]
            self._db.change(delete(schema.quotas).where(_HERE), rows)

    def _put(self, documents: Sequence[QuotaDocument], *, new: bool) -> None:
        if not documents:
            return
        level, name = ("level", "name") if new else ("its_level", "its_name")
        rows: list[dict[str, Any]] = [
            {
                level: item.level,
                name: item.name,
                "document": item.document,
                "revision": item.revision,
                "updated_at": item.updated_at,
                "updated_by": item.updated_by,
            }
            for item in documents
        ]
        table = schema.quotas
        self._db.change(insert(table) if new else update(table).where(_HERE), rows)


def _document(row: Row[Any]) -> QuotaDocument:
    return QuotaDocument(
        row.level, row.name, row.document, row.revision, row.updated_at, row.updated_by
    )


def plain(document: Mapping[str, object]) -> dict[str, object]:
    """Return a document as it comes back from the database."""
    return {
        name: plain(value)
        if isinstance(value, dict)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in document.items()
    }
