"""Quota store: what every level sets, what is in force, and what a change would mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.broker.errors import DelegationError, QuotaConflictError, QuotaTableConflictError
from gpudock.broker.preview import (
    QuotaPreview,
    TableChange,
    TablePreview,
    contradictions_of,
    effect_of,
    preview_of,
)
from gpudock.language import Message
from gpudock.policy.quota.delegation import (
    DocumentChange,
    Levels,
    refusal,
    set_by_administrators,
)
from gpudock.policy.quota.documents import check_place, named, parse_document
from gpudock.policy.quota.errors import QuotaDocumentError
from gpudock.store import (
    BY_LEAD,
    AuditFilter,
    QuotaChange,
    QuotaDocument,
    QuotaRevisionError,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gpudock.broker.transactions import Transactions
    from gpudock.broker.unit_of_work import UnitOfWork
    from gpudock.policy.quota.delegation import Lead
    from gpudock.policy.quota.resolve import EffectiveQuota
    from gpudock.store import AuditEntry


class Quotas:
    """The quotas of users, groups and the default level."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def effective(self, user: str, groups: Iterable[str]) -> EffectiveQuota:
        """Return the limits in force for *user*, where each came from, and what is used."""
        with self._transactions.reading() as work:
            return work.effective(user, groups)

    def effective_of_all(
        self, members: Sequence[tuple[str, tuple[str, ...]]]
    ) -> list[EffectiveQuota]:
        """Return the limits of many users, each given with the groups that they are in."""
        with self._transactions.reading() as work:
            return work.limits.of_all(members)

    def documents(self) -> list[QuotaDocument]:
        """Return what every level sets, by level and name."""
        return self.table()[0]

    def table(self) -> tuple[list[QuotaDocument], int]:
        """Return what every level sets, and the revision of all of it together."""
        with self._transactions.store.snapshot() as transaction:
            return transaction.quotas.all(), transaction.quotas.revision

    def set(
        self,
        level: str,
        name: str,
        document: Mapping[str, object] | None,
        by: str,
        revision: int | None = None,
    ) -> QuotaDocument | None:
        """Set one level's partial document, or remove it with ``None``; no session ends.

        Args:
            level: ``default``, ``group`` or ``user``.
            name: the group or user; empty for the default. They need not exist yet.
            document: the fields that this level sets.
            by: the user who does so, for the audit trail.
            revision: see :class:`QuotaChange`.

        Returns:
            The document as it is now.

        Raises:
            QuotaDocumentError: the document, the level or the name is not valid.
            QuotaConflictError: the document is no longer that of *revision*.
        """
        return self.set_all([QuotaChange(level, name, document, revision)], by)[0]

    def set_all(
        self, changes: Sequence[QuotaChange], by: str, lead: Lead | None = None
    ) -> list[QuotaDocument | None]:
        """Make all changes, or none of them.

        Args:
            changes: the changes.
            by: the user who makes them, for the audit trail.
            lead: what the user may change; ``None``: an administrator, who may change anything.

        Returns:
            For each change the document as it is now.

        Raises:
            QuotaDocumentError: one of them is not valid, or two are about the same document.
            DelegationError: one of them is beyond what *lead* may do.
            QuotaConflictError: one of the documents is no longer that of the change's revision.
        """
        parsed = _parse(changes)

        def change(work: UnitOfWork) -> list[QuotaDocument | None]:
            _check_lead(work, parsed, lead)
            return work.transaction.quotas.set(parsed, by, by_lead=lead is not None)

        try:
            return self._transactions.run(change)
        except QuotaRevisionError as error:
            raise QuotaConflictError(error.level, error.name, error.stored) from error

    def preview(
        self,
        changes: Sequence[QuotaChange],
        groups_of: Mapping[str, Iterable[str]],
        lead: Lead | None = None,
    ) -> QuotaPreview:
        """Return what changes would mean now, without making them.

        Args:
            changes: the changes, all of them together.
            groups_of: user to their groups; for other users, the groups of their request or lease
                count.
            lead: as for :meth:`set_all`.

        Raises:
            QuotaDocumentError: one of the changes is not valid.
            DelegationError: one of them is beyond what *lead* may do.
        """
        parsed = _parse(changes)
        with self._transactions.reading() as work:
            _check_lead(work, parsed, lead)
            return preview_of(
                work,
                {(change.level, change.name): change.document for change in parsed},
                {user: tuple(groups) for user, groups in groups_of.items()},
            )

    def contradictions(
        self, changes: Sequence[QuotaChange], groups_of: Mapping[str, Iterable[str]]
    ) -> list[str]:
        """Return a sentence for each limit in documents that another limit cancels.

        Args:
            changes: the documents.
            groups_of: as for :meth:`preview`.

        Raises:
            QuotaDocumentError: one of the documents is not valid.
        """
        parsed = _parse(changes)
        with self._transactions.reading() as work:
            return [
                *contradictions_of(
                    work,
                    {(change.level, change.name): change.document for change in parsed},
                    {user: tuple(groups) for user, groups in groups_of.items()},
                )
            ]

    def import_table(
        self, rows: Sequence[QuotaChange], by: str, revision: int | None = None
    ) -> list[TableChange]:
        """Set each document that a table has a row for, all or none; the others stay.

        Args:
            rows: the rows; their own revisions are ignored.
            by: the user who does so, for the audit trail.
            revision: of all quotas together at the time of :meth:`preview_table`; ``None``:
                whatever is there.

        Returns:
            What was changed.

        Raises:
            QuotaDocumentError: one of the rows is not valid, or two are about the same document.
            QuotaTableConflictError: some quota was changed since *revision*.
        """
        parsed = _parse(rows)

        def change(work: UnitOfWork) -> list[TableChange]:
            if revision is not None and revision != work.transaction.quotas.revision:
                latest, _ = work.transaction.audit.page(0, 1, AuditFilter(what="quota"))
                raise QuotaTableConflictError(next(iter(latest), None))
            changes = _differences(work, parsed)
            work.transaction.quotas.set(
                [QuotaChange(change.level, change.name, change.after) for change in changes], by
            )
            return changes

        return self._transactions.run(change)

    def preview_table(
        self, rows: Sequence[QuotaChange], groups_of: Mapping[str, Iterable[str]]
    ) -> TablePreview:
        """Return what importing a table would mean now, without importing it.

        Args:
            rows: as for :meth:`import_table`.
            groups_of: as for :meth:`preview`.

        Raises:
            QuotaDocumentError: one of the rows is not valid, or two are about the same document.
        """
        parsed = _parse(rows)
        with self._transactions.reading() as work:
            changes = _differences(work, parsed)
            effect = effect_of(
                work,
                {(change.level, change.name): change.after for change in changes},
                {user: tuple(groups) for user, groups in groups_of.items()},
            )
            revision = work.transaction.quotas.revision
        return TablePreview(revision, tuple(changes), len(parsed) - len(changes), effect)


def _check_lead(work: UnitOfWork, changes: Sequence[QuotaChange], lead: Lead | None) -> None:
    """Raise ``DelegationError`` unless a lead may make the changes; ``None`` may make any."""
    if lead is None:
        return
    users = {change.name for change in changes}
    if any(change.level != "user" for change in changes) or not users <= lead.members.keys():
        raise DelegationError(
            Message("The lead of a group may change the quotas of its members only.")
        )
    groups = {group for user in users for group in lead.members[user].groups}
    documents = work.transaction.quotas.of(users, groups)
    levels = Levels(
        work.config.default_quota,
        documents.get(("default", "")),
        {name: document for (level, name), document in documents.items() if level == "group"},
        work.now,
    )
    past = work.transaction.audit.quota_changes(users)
    for change in changes:
        before = documents.get(("user", change.name))
        given = set_by_administrators(map(_past_change, past.get(change.name, ())), before)
        problem = refusal(lead, change.name, before, change.document, levels, given)
        if problem is not None:
            raise DelegationError(problem)


def _past_change(entry: AuditEntry) -> DocumentChange:
    return DocumentChange(entry.before, entry.after, entry.what.endswith(BY_LEAD))


def _differences(work: UnitOfWork, rows: Iterable[QuotaChange]) -> list[TableChange]:
    """Return the rows that change something."""
    present = {(item.level, item.name): item.document for item in work.transaction.quotas.all()}
    compared = (
        TableChange(
            row.level,
            row.name,
            present.get((row.level, row.name)),
            None if row.document is None else plain(row.document),
        )
        for row in rows
    )
    return [change for change in compared if change.before != change.after]


def _parse(changes: Sequence[QuotaChange]) -> list[QuotaChange]:
    parsed = []
    places = set()
    for change in changes:
        check_place(change.level, change.name)
        if (change.level, change.name) in places:
            raise QuotaDocumentError(
                Message(
                    "The quota of the {whose} is changed twice at once.",
                    whose=named(change.level, change.name),
                )
            )
        places.add((change.level, change.name))
        document = change.document
        if document is not None:
            document = parse_document(document, change.level)
        parsed.append(QuotaChange(change.level, change.name, document, change.revision))
    return parsed
