"""The broker's office for quotas: what every level says, and what a change would mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.broker.errors import LeadRefused, QuotaConflict, QuotaTableConflict
from gpudock.broker.preview import QuotaPreview, TableChange, TablePreview, effect_of, preview
from gpudock.broker.transactions import Core
from gpudock.policy.quota.delegation import Levels, refusal
from gpudock.policy.quota.documents import QuotaDocumentError, check_place, parse_document
from gpudock.store import AuditFilter, QuotaChange, QuotaDocument, QuotaMoved, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gpudock.broker.unit_of_work import Lab
    from gpudock.policy.quota.delegation import Lead
    from gpudock.policy.quota.resolve import EffectiveQuota


class QuotaOffice(Core):
    """Quotas."""

    def quota(self, user: str, groups: Iterable[str]) -> EffectiveQuota:
        """Return the limits in force for *user*, where each came from, and what is used."""
        with self._reading_lab() as lab:
            return lab.effective(user, groups)

    def quotas(self, members: Sequence[tuple[str, tuple[str, ...]]]) -> list[EffectiveQuota]:
        """Return the limits of many users, each given with the groups that they are in."""
        with self._reading_lab() as lab:
            return lab.limits.of_all(members)

    def quota_documents(self) -> list[QuotaDocument]:
        """Return what every level says, by level and name."""
        with self._store.snapshot() as transaction:
            return transaction.all_quota_documents()

    def quota_table(self) -> tuple[list[QuotaDocument], int]:
        """Return what every level says, and the revision of all of it together."""
        with self._store.snapshot() as transaction:
            return transaction.all_quota_documents(), transaction.quota_revision

    def set_quota(
        self,
        level: str,
        name: str,
        document: Mapping[str, object] | None,
        by: str,
        revision: int | None = None,
    ) -> QuotaDocument | None:
        """Set one level's partial document, or remove it with ``None``; nobody's session ends.

        Args:
            level: ``default``, ``group`` or ``user``.
            name: the group or user; empty for the default. They need not exist yet.
            document: the fields that this level sets.
            by: the user who does so, for the audit trail.
            revision: see :class:`QuotaChange`.

        Returns:
            The document as it is now.

        Raises:
            QuotaDocumentError: the document, the level or the name is not acceptable.
            QuotaConflict: the document is not that of *revision* any more.
        """
        return self.set_quotas([QuotaChange(level, name, document, revision)], by)[0]

    def set_quotas(
        self, changes: Sequence[QuotaChange], by: str, lead: Lead | None = None
    ) -> list[QuotaDocument | None]:
        """Make all changes, or none of them.

        Args:
            changes: the changes.
            by: the user who makes them, for the audit trail.
            lead: how far their right goes; ``None``: an administrator's, without bounds.

        Returns:
            For each change the document as it is now.

        Raises:
            QuotaDocumentError: one of them is not acceptable, or two are about the same.
            LeadRefused: one of them is beyond what *lead* may do.
            QuotaConflict: one of the documents is not that of the change's revision any more.
        """
        parsed = _parse(changes)
        try:
            with self._change() as lab:
                _admit(lab, parsed, lead)
                return lab.transaction.set_quotas(parsed, by)
        except QuotaMoved as moved:
            raise QuotaConflict(moved.level, moved.name, moved.stored) from moved

    def preview_quotas(
        self,
        changes: Sequence[QuotaChange],
        groups_of: Mapping[str, Iterable[str]],
        lead: Lead | None = None,
    ) -> QuotaPreview:
        """Tell what changes would mean at this moment, without making them.

        Args:
            changes: the changes, all of them together.
            groups_of: user to the groups that they are in; of others it is taken that they are in
                those of their request or lease.
            lead: as for :meth:`set_quotas`.

        Raises:
            QuotaDocumentError: one of the changes is not acceptable.
            LeadRefused: one of them is beyond what *lead* may do.
        """
        parsed = _parse(changes)
        with self._reading_lab() as lab:
            _admit(lab, parsed, lead)
            return preview(
                lab,
                {(change.level, change.name): change.document for change in parsed},
                {user: tuple(groups) for user, groups in groups_of.items()},
            )

    # A table of many levels, as one file holds it.

    def take_table(
        self, rows: Sequence[QuotaChange], by: str, revision: int | None = None
    ) -> list[TableChange]:
        """Set each document that a table has a row for, all or none; others stay as they are.

        Args:
            rows: the rows; their own revisions do not count.
            by: the user who does so, for the audit trail.
            revision: of all quotas together when the table was looked at (see
                :meth:`preview_table`); ``None``: whatever is there.

        Returns:
            What was changed.

        Raises:
            QuotaDocumentError: one of the rows is not acceptable, or two are about the same.
            QuotaTableConflict: some quota was changed since *revision*.
        """
        parsed = _parse(rows)
        with self._change() as lab:
            if revision is not None and revision != lab.transaction.quota_revision:
                latest, _ = lab.transaction.audit_page(0, 1, AuditFilter(what="quota"))
                raise QuotaTableConflict(next(iter(latest), None))
            changes = _differences(lab, parsed)
            lab.transaction.set_quotas(
                [QuotaChange(change.level, change.name, change.after) for change in changes], by
            )
        return changes

    def preview_table(
        self, rows: Sequence[QuotaChange], groups_of: Mapping[str, Iterable[str]]
    ) -> TablePreview:
        """Tell what taking a table would mean at this moment, without taking it.

        Args:
            rows: as for :meth:`take_table`.
            groups_of: as for :meth:`preview_quotas`.

        Raises:
            QuotaDocumentError: one of the rows is not acceptable, or two are about the same.
        """
        parsed = _parse(rows)
        with self._reading_lab() as lab:
            changes = _differences(lab, parsed)
            effect = effect_of(
                lab,
                {(change.level, change.name): change.after for change in changes},
                {user: tuple(groups) for user, groups in groups_of.items()},
            )
            revision = lab.transaction.quota_revision
        return TablePreview(revision, tuple(changes), len(parsed) - len(changes), effect)


def _admit(lab: Lab, changes: Sequence[QuotaChange], lead: Lead | None) -> None:
    """Make sure that a lead may make changes.

    Raises:
        LeadRefused: they may not.
    """
    if lead is None:
        return
    users = {change.name for change in changes}
    if any(change.level != "user" for change in changes) or not users <= lead.members.keys():
        raise LeadRefused("The lead of a group may change the quotas of its members only.")
    groups = {group for user in users for group in lead.members[user].groups}
    documents = lab.transaction.quota_documents(users, groups)
    levels = Levels(
        lab.terms.default_quota,
        documents.get(("default", "")),
        {name: document for (level, name), document in documents.items() if level == "group"},
        lab.now,
    )
    for change in changes:
        before = documents.get(("user", change.name))
        problem = refusal(lead, change.name, before, change.document, levels)
        if problem is not None:
            raise LeadRefused(problem)


def _differences(lab: Lab, rows: Iterable[QuotaChange]) -> list[TableChange]:
    """Return the rows that say something else than what is there."""
    present = {
        (item.level, item.name): item.document for item in lab.transaction.all_quota_documents()
    }
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
            whose = f"the {change.level} «{change.name}»" if change.name else "the default"
            raise QuotaDocumentError(f"The quota of {whose} is changed twice at once.")
        places.add((change.level, change.name))
        document = change.document
        if document is not None:
            document = parse_document(document, change.level)
        parsed.append(QuotaChange(change.level, change.name, document, change.revision))
    return parsed
