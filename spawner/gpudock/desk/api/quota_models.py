"""The bodies of requests and responses about quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from gpudock.desk.api.quota_schema import GroupQuotaDocument, QuotaDocument
from gpudock.desk.schema import Name, RequestModel, ResponseModel, Sentence, rounded
from gpudock.language import Message
from gpudock.policy.quota.documents import FIELDS

if TYPE_CHECKING:
    from gpudock import broker

Level = Literal["default", "group", "user"]
MAX_CHANGES = 10_000
MAX_SHOWN = 200
"""How many problems or changes of a file a preview shows."""


class StoredQuota(ResponseModel):
    """The document of one level."""

    level: Level
    name: str = Field(description="Of the group or user; empty for the default")
    document: GroupQuotaDocument | None = Field(
        description="The fields that the level sets; null: there is no document"
    )
    revision: int = Field(description="Changes with the document; 0: there is none")
    updated_at: float | None
    updated_by: str | None

    @classmethod
    def of(cls, level: Level, name: str, stored: broker.QuotaDocument | None) -> StoredQuota:
        """Return the document of a level, which need not exist."""
        if stored is not None:
            return cls.model_validate(stored)
        return cls(
            level=level, name=name, document=None, revision=0, updated_at=None, updated_by=None
        )


class ChangedQuota(StoredQuota):
    """The document of one level after a change."""

    contradictions: list[Sentence] = Field(
        description="Sentences about limits of which one has no effect because of another"
    )


class QuotaUsage(ResponseModel):
    """What is used of limits."""

    gpus: int
    gpu_hours: Annotated[float, rounded(4)] = Field(
        description="Within the window, where there is a limit of hours"
    )


class EffectiveLimit(ResponseModel):
    """A limit in force."""

    value: int | float | list[str] | None = Field(description="null: no limit")
    origin: str = Field(description="The level that sets it")


class EffectiveLimits(ResponseModel):
    """All limits in force."""

    max_gpus: EffectiveLimit
    gpu_hours: EffectiveLimit
    window_days: EffectiveLimit
    session_hours: EffectiveLimit
    max_session_hours: EffectiveLimit
    idle_minutes: EffectiveLimit
    weight: EffectiveLimit
    gpu_models: EffectiveLimit

    @classmethod
    def of(cls, effective: broker.EffectiveQuota) -> EffectiveLimits:
        """Return the limits of *effective*, each with its origin."""
        return cls.model_validate(
            {
                name: {"value": getattr(effective.quota, name), "origin": effective.origin[name]}
                for name in FIELDS
            }
        )


class GroupCap(ResponseModel):
    """A limit of a group as a whole."""

    group: str
    max_gpus: int | None
    gpu_hours: float | None
    window_days: float | None
    used: QuotaUsage


class EffectiveQuota(ResponseModel):
    """The limits in force for a user."""

    user: str
    groups: list[str]
    limits: EffectiveLimits
    used: QuotaUsage
    caps: list[GroupCap]


class _QuotaChange(RequestModel):
    revision: int | None = Field(
        default=None,
        ge=0,
        le=2**53,
        description="Of the document that the change was made from; 0: there was none; left out:"
        " any",
    )


class DefaultQuotaChange(_QuotaChange):
    """A change of the default."""

    level: Literal["default"]
    name: Literal[""] = ""
    document: QuotaDocument | None = Field(description="The new document; null removes it")


class GroupQuotaChange(_QuotaChange):
    """A change of a group's document."""

    level: Literal["group"]
    name: Name
    document: GroupQuotaDocument | None = Field(description="The new document; null removes it")


class UserQuotaChange(_QuotaChange):
    """A change of a user's document."""

    level: Literal["user"]
    name: Name
    document: QuotaDocument | None = Field(description="The new document; null removes it")


class QuotaChanges(RequestModel):
    """Changes that are made together or not at all; at most one for each document."""

    changes: list[
        Annotated[
            DefaultQuotaChange | GroupQuotaChange | UserQuotaChange, Field(discriminator="level")
        ]
    ] = Field(min_length=1, max_length=MAX_CHANGES)


class ChangedCount(ResponseModel):
    """How many documents were set or removed."""

    changed: int
    contradictions: list[Sentence] = Field(
        description="Sentences about limits of which one has no effect because of another; at most"
        f" {MAX_SHOWN}"
    )


class Affected(ResponseModel):
    """A session or a waiting request that a change affects."""

    user: str
    server: str
    reason: Sentence


class QuotaPreview(ResponseModel):
    """What changes would mean now."""

    exceeding: list[Affected] = Field(
        description="Sessions that would exceed their limits; they continue"
    )
    refused: list[Affected] = Field(description="Waiting requests that would be denied")
    startable: list[Affected] = Field(description="Waiting requests that would start at once")
    held_back: list[Affected] = Field(
        description="Waiting requests that could start now, and would have to wait"
    )
    contradictions: list[Sentence] = Field(
        description="Sentences about limits of which one has no effect because of another; at most"
        f" {MAX_SHOWN}"
    )

    @classmethod
    def of(cls, effect: broker.Effect, users: frozenset[str] | None = None) -> QuotaPreview:
        """Return *effect*; with *users* only what affects these."""

        def affected(item: Any, reason: str) -> list[Affected]:
            if users is not None and item.user not in users:
                return []
            return [Affected(user=item.user, server=item.server, reason=reason)]

        return cls(
            exceeding=[row for item in effect.exceeding for row in affected(item.lease, item.why)],
            refused=[row for item in effect.refused for row in affected(item.request, item.why)],
            startable=[
                row
                for request in effect.starting
                for row in affected(request, Message("It would start at once."))
            ],
            held_back=[
                row
                for request in effect.held_back
                for row in affected(request, Message("It could start now, and would have to wait."))
            ],
            contradictions=list(effect.contradictions[:MAX_SHOWN]),
        )


class QuotaRow(StoredQuota):
    """A row of the table: the level's document, and the limits in force for a user or by default.

    Those are null for groups.
    """

    groups: list[str]
    effective: EffectiveLimits | None
    used: QuotaUsage | None


class QuotaPage(ResponseModel):
    """A page of the table."""

    rows: list[QuotaRow]
    total: int = Field(description="Number of rows on all pages")


class LineProblem(ResponseModel):
    """What is wrong with a line of a file."""

    line: int | None = Field(description="From 1; null: the file as a whole")
    message: Sentence = Field(description="A sentence that names the column and the value, too")
    column: str | None = Field(default=None, description="null: it is not about one cell")


class QuotaDocumentChange(ResponseModel):
    """What a file changes in a level's document."""

    level: Level
    name: str
    before: GroupQuotaDocument | None = Field(description="null: there is none")
    after: GroupQuotaDocument | None = Field(description="null: it is removed")


class QuotaTablePreview(ResponseModel):
    """What the import of a file would mean now."""

    revision: int = Field(
        description="Of all quotas together; send it as `If-Match`, and the file is imported only"
        " if no quota has changed"
    )
    problem_count: int = Field(
        description="Number of problems; a file with problems is not imported"
    )
    problems: list[LineProblem] = Field(description=f"The first {MAX_SHOWN} problems")
    warning_count: int = Field(description="Number of warnings; they do not prevent an import")
    warnings: list[LineProblem] = Field(
        description=f"The first {MAX_SHOWN} lines about users and groups that the Hub does not know"
    )
    added: int = Field(description="Lines that add a document")
    changed: int = Field(description="Lines that change a document")
    removed: int = Field(description="Lines that remove a document")
    unchanged: int = Field(description="Lines that change nothing")
    changes: list[QuotaDocumentChange] = Field(description=f"The first {MAX_SHOWN} changes")
    effect: QuotaPreview
