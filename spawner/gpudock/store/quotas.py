"""The part of a transaction that administrators fill: quotas, and who changed what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update

from gpudock.store import schema
from gpudock.store.base import Part
from gpudock.store.errors import StoreConflict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import ColumnElement

# Databases limit how many values a query may name, and naming many takes longer than reading all.
_MOST_NAMES = 500

_HERE = and_(
    schema.quotas.c.level == bindparam("its_level"), schema.quotas.c.name == bindparam("its_name")
)


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
    """Which entries of the audit trail are looked for; all of them by default.

    Attributes:
        by: only what this user did.
        what: only this kind of change; ``quota`` stands for ``quota.set`` and ``quota.unset``.
        target: only what was done to this.
        since: only what was done from this moment on (Unix time).
        until: only what was done before this moment (Unix time).
    """

    by: str | None = None
    what: str | None = None
    target: str | None = None
    since: float | None = None
    until: float | None = None


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

    @property
    def quota_revision(self) -> int:
        """The latest revision of any document, which changes with every change and removal."""
        return self._number("quota_revision")

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

    def set_quotas(self, changes: Sequence[QuotaChange], by: str) -> list[QuotaDocument | None]:
        """Set or remove documents, no two of them the same one; the changes go into the audit.

        Args:
            changes: with parsed documents (see ``gpudock.policy.quota.documents``).
            by: the user who makes them.

        Returns:
            For each change the document as it is now.

        Raises:
            QuotaMoved: another document is there than the one that a change was made from.
        """
        present = self._present(changes)
        number = self._number("quota_revision")
        now = self.clock()
        found: list[QuotaDocument | None] = []
        entries: list[AuditEntry] = []
        put: list[QuotaDocument] = []
        gone: list[tuple[str, str]] = []
        for change in changes:
            place = (change.level, change.name)
            stored = present.get(place)
            if change.revision not in (None, stored.revision if stored else 0):
                raise QuotaMoved(*place, stored)
            before = None if stored is None else dict(stored.document)
            after = None if change.document is None else plain(change.document)
            if before == after:
                found.append(stored)
                continue
            number += 1
            target = "/".join(place) if change.name else change.level
            what = "quota.unset" if after is None else "quota.set"
            entries.append(AuditEntry(now, by, what, target, before, after))
            if after is None:
                gone.append(place)
                found.append(None)
            else:
                put.append(QuotaDocument(*place, after, number, now, by))
                found.append(put[-1])
        if entries:
            self._set_number("quota_revision", number)
            self._remove(gone)
            self._put([item for item in put if (item.level, item.name) in present], new=False)
            self._put([item for item in put if (item.level, item.name) not in present], new=True)
            self._write_down(entries)
        return found

    def _present(self, changes: Sequence[QuotaChange]) -> dict[tuple[str, str], QuotaDocument]:
        """Return the documents that changes are about; of many changes, all that there are."""
        if len(changes) > 1:
            documents = self.all_quota_documents()
        else:
            looked_up = (self.quota_document(change.level, change.name) for change in changes)
            documents = [item for item in looked_up if item is not None]
        return {(item.level, item.name): item for item in documents}

    def _remove(self, places: Sequence[tuple[str, str]]) -> None:
        if places:
            rows = [{"its_level": level, "its_name": name} for level, name in places]
            self._change(delete(schema.quotas).where(_HERE), rows)

    def _put(self, documents: Sequence[QuotaDocument], *, new: bool) -> None:
        if not documents:
            return
        rows: list[dict[str, Any]] = [
            {
                "document": item.document,
                "revision": item.revision,
                "updated_at": item.updated_at,
                "updated_by": item.updated_by,
            }
            for item in documents
        ]
        names = ("level", "name") if new else ("its_level", "its_name")
        for row, item in zip(rows, documents, strict=True):
            row.update(zip(names, (item.level, item.name), strict=True))
        table = schema.quotas
        self._change(insert(table) if new else update(table).where(_HERE), rows)

    # The audit trail.

    def record(self, by: str, what: str, target: str, before: Any, after: Any) -> None:
        """Write down a change that a person made."""
        self._write_down([AuditEntry(self.clock(), by, what, target, before, after)])

    def _write_down(self, entries: Sequence[AuditEntry]) -> None:
        rows = [
            {
                "at": entry.at,
                "by": entry.by,
                "what": entry.what,
                "target": entry.target,
                "before": entry.before,
                "after": entry.after,
            }
            for entry in entries
        ]
        self._change(insert(schema.audit), rows)

    def audit(self) -> list[AuditEntry]:
        """Return the audit trail, oldest first."""
        table = schema.audit
        return self._entries(select(table).order_by(table.c.sequence))

    def audit_page(
        self, offset: int, limit: int, wanted: AuditFilter | None = None
    ) -> tuple[list[AuditEntry], int]:
        """Return a page of the audit trail, the newest first, and how many entries there are.

        Args:
            offset: how many to leave out.
            limit: how many to return at most.
            wanted: which entries; ``None``: all.
        """
        table = schema.audit
        conditions = _conditions(wanted or AuditFilter())
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


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    """Return what has to hold of an entry that is looked for."""
    table = schema.audit
    conditions: list[ColumnElement[bool]] = []
    if wanted.by is not None:
        conditions.append(table.c.by == wanted.by)
    if wanted.what is not None:
        kinds = table.c.what.startswith(f"{wanted.what}.", autoescape=True)
        conditions.append(or_(table.c.what == wanted.what, kinds))
    if wanted.target is not None:
        conditions.append(table.c.target == wanted.target)
    if wanted.since is not None:
        conditions.append(table.c.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(table.c.at < wanted.until)
    return conditions


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
