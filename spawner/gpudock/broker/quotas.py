"""The broker's office for quotas: what every level says, and what a change would mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpudock.broker.core import Core
from gpudock.broker.errors import QuotaConflict
from gpudock.broker.preview import QuotaPreview, preview
from gpudock.policy.documents import QuotaDocumentError, check_place, parse_document
from gpudock.store import QuotaDocument, QuotaMoved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gpudock.policy.quota import EffectiveQuota


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

    def set_quotas(self, changes: Sequence[QuotaChange], by: str) -> list[QuotaDocument | None]:
        """Make all changes, or none of them.

        Returns:
            For each change the document as it is now.

        Raises:
            QuotaDocumentError: one of them is not acceptable, or two are about the same.
            QuotaConflict: one of the documents is not that of the change's revision any more.
        """
        parsed = _parse(changes)
        try:
            with self._change() as lab:
                return [
                    lab.transaction.set_quota(
                        change.level, change.name, change.document, by, change.revision
                    )
                    for change in parsed
                ]
        except QuotaMoved as moved:
            raise QuotaConflict(moved.level, moved.name, moved.stored) from moved

    def preview_quotas(
        self, changes: Sequence[QuotaChange], groups_of: Mapping[str, Iterable[str]]
    ) -> QuotaPreview:
        """Tell what changes would mean at this moment, without making them.

        Args:
            changes: the changes, all of them together.
            groups_of: user to the groups that they are in; of others it is taken that they are in
                those of their request or lease.

        Raises:
            QuotaDocumentError: one of the changes is not acceptable.
        """
        parsed = _parse(changes)
        with self._reading_lab() as lab:
            return preview(
                lab,
                {(change.level, change.name): change.document for change in parsed},
                {user: tuple(groups) for user, groups in groups_of.items()},
            )


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
