"""Quotas as a table: page by page for thousands of users, and as a file for spreadsheets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from gpudock.broker import QuotaChange, QuotaTableConflictError
from gpudock.desk.api.quota_models import (
    MAX_CHANGES,
    MAX_SHOWN,
    ChangedCount,
    EffectiveLimits,
    LineProblem,
    QuotaDocumentChange,
    QuotaPage,
    QuotaPreview,
    QuotaRow,
    QuotaTablePreview,
    QuotaUsage,
    StoredQuota,
)
from gpudock.desk.api.quotas import count_changes
from gpudock.desk.api.rights import readable_users
from gpudock.desk.endpoints import CSV, APIRequest, Audience, Response, Router, not_for
from gpudock.desk.errors import ChangedError, UnprocessableError
from gpudock.desk.schema import Limit, Offset, RequestModel, Text
from gpudock.language import Message, counted, message_of, sentences
from gpudock.policy.quota.documents import FIELDS
from gpudock.policy.quota.errors import QuotaTableError, TableProblem
from gpudock.policy.quota.table import QuotaRow as TableRow
from gpudock.policy.quota.table import read_table, unknown_names, write_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpudock.broker import DeskBroker, EffectiveQuota, QuotaDocument
    from gpudock.hub_api import HubUser

router = Router()

SORTS = ("name", "updated_at", "used", "gpus", *FIELDS)
_SORTS = [sign + name for name in SORTS for sign in ("", "-")]
_MAX_FILE_BYTES = 20 * 2**20
_MAX_PROBLEMS = 20


def _sort(value: Any) -> Any:
    if value not in _SORTS:
        names = ", ".join(SORTS)
        raise ValueError(
            Message('it is none of {names}, with or without a "-" before it', names=names)
        )
    return value


class QuotaTableQuery(RequestModel):
    """Which rows, and in which order."""

    level: Literal["default", "group", "user"] = "user"
    search: Text = Field(default="", description="Part of the name, in upper or lower case")
    sort: Annotated[
        str, BeforeValidator(_sort), WithJsonSchema({"type": "string", "enum": _SORTS})
    ] = Field(
        default="name",
        description="By name, latest change, GPU-hours used, GPUs held, or a limit in force; with a"
        " `-` before it in descending order",
    )
    offset: Offset = 0
    limit: Limit = 50


@router.add("GET", "quotas", Audience.USER, query=QuotaTableQuery, answer=QuotaPage)
async def list_quotas(request: APIRequest) -> QuotaPage:
    """List quotas.

    Each user or group, or the default, with its document; users and the default also with the
    limits in force.

    There is a row for every user or group that the Hub knows, and for every document. Groups and
    the default are for those who may read everything; others get the users that they may read.
    """
    query: QuotaTableQuery = request.query
    readable = await readable_users(request)
    if readable is not None and query.level != "user":
        raise not_for(Audience.READER)
    hub = request.backend.hub
    await hub.refresh()
    users = await hub.users()
    groups = tuple(await hub.groups()) if query.level == "group" else ()

    def page(broker: DeskBroker) -> QuotaPage:
        return _Table(broker, query.level, users).page(query, groups, readable)

    return await request.backend.read(page)


@router.add("GET", "quotas.csv", Audience.READER, media=(CSV,), conditional=True)
async def export_quotas(request: APIRequest) -> Response:
    """Export all quotas.

    Every document is one row; an empty cell is not set at that level, `none` is no limit.
    """
    documents, revision = await request.backend.read(lambda broker: broker.quotas.table())
    text = write_table((item.level, item.name, item.document) for item in documents)
    return Response(text, media_type=CSV, filename="quotas.csv", revision=revision)


@router.add(
    "PUT",
    "quotas.csv",
    Audience.MANAGER,
    body=str,
    body_media=CSV,
    max_body_bytes=_MAX_FILE_BYTES,
    answer=ChangedCount,
    conditional=True,
    errors=(422,),
)
async def import_quotas(request: APIRequest) -> ChangedCount:
    """Import quotas.

    It sets each document that has a row in the file, all or none; others stay as they are.

    A row without any field removes the level's document. Each problem is reported with its line.
    The revision is that of all quotas together, as export and preview return it.
    """
    by, revision = request.principal.actor, request.revision
    try:
        rows = _changes(_parse(request.body))
    except QuotaTableError as error:
        raise UnprocessableError(_summary(error.problems)) from error
    try:
        changes = await request.backend.write(
            lambda broker: broker.quotas.import_table(rows, by, revision)
        )
    except QuotaTableConflictError as error:
        raise ChangedError(message_of(error)) from error
    made = [QuotaChange(change.level, change.name, change.after) for change in changes]
    return await count_changes(request, made)


@router.add(
    "POST",
    "quotas.csv/preview",
    Audience.MANAGER,
    body=str,
    body_media=CSV,
    max_body_bytes=_MAX_FILE_BYTES,
    answer=QuotaTablePreview,
)
async def preview_table(request: APIRequest) -> QuotaTablePreview:
    """Preview an import of quotas.

    It shows what a file would change, and what that means for sessions and waiting requests.

    Nothing is changed. A file that would be rejected is answered with its problems, line by line.
    Users and groups that the Hub does not know are named; their limits are imported nevertheless.

    The encoding (UTF-8, UTF-16, Windows-1252 or GBK), the delimiter and the decimal sign of the
    file are detected, for the import as well.
    """
    rows: list[TableRow] = []
    problems: tuple[TableProblem, ...] = ()
    try:
        rows = _parse(request.body)
    except QuotaTableError as error:
        problems = error.problems
    hub = request.backend.hub
    await hub.refresh()
    groups_of = await hub.groups_of()
    warnings = unknown_names(rows, groups_of, await hub.groups())
    changes = _changes(rows)
    found = await request.backend.read(
        lambda broker: broker.quotas.preview_table(changes, groups_of)
    )
    added = sum(change.before is None for change in found.changes)
    removed = sum(change.after is None for change in found.changes)
    return QuotaTablePreview(
        revision=found.revision,
        problem_count=len(problems),
        problems=[LineProblem.model_validate(problem) for problem in problems[:MAX_SHOWN]],
        warning_count=len(warnings),
        warnings=[LineProblem.model_validate(warning) for warning in warnings[:MAX_SHOWN]],
        added=added,
        changed=len(found.changes) - added - removed,
        removed=removed,
        unchanged=found.unchanged,
        changes=[QuotaDocumentChange.model_validate(row) for row in found.changes[:MAX_SHOWN]],
        effect=QuotaPreview.of(found.effect),
    )


def _changes(rows: Sequence[TableRow]) -> list[QuotaChange]:
    return [QuotaChange(row.level, row.name, row.document) for row in rows]


def _parse(text: str) -> list[TableRow]:
    """Return the rows of a file.

    Raises:
        QuotaTableError: the file is not acceptable.
    """
    rows = read_table(text)
    if len(rows) > MAX_CHANGES:
        message = Message(
            "The file has {count} rows; at most {most} can be imported at once.",
            count=len(rows),
            most=MAX_CHANGES,
        )
        raise QuotaTableError([TableProblem(None, message)])
    return rows


def _summary(problems: Sequence[TableProblem]) -> str:
    shown = [problem.sentence for problem in problems[:_MAX_PROBLEMS]]
    rest = len(problems) - _MAX_PROBLEMS
    if rest > 0:
        shown.append(counted("There is {n} more problem.", "There are {n} more problems.", rest))
    return sentences(*shown, Message("Nothing was changed."))


class _Table:
    """The rows of one level. Limits in force are computed only for the rows that need them."""

    def __init__(
        self,
        broker: DeskBroker,
        level: Literal["default", "group", "user"],
        users: Mapping[str, HubUser],
    ) -> None:
        self._broker = broker
        self._level = level
        self._users = users
        self._documents: dict[str, QuotaDocument] = {
            item.name: item for item in broker.quotas.documents() if item.level == level
        }

    def page(
        self, query: QuotaTableQuery, groups: Sequence[str], readable: frozenset[str] | None
    ) -> QuotaPage:
        """Return the rows that *query* asks for.

        Args:
            query: which rows, and in which order.
            groups: the Hub's groups.
            readable: the users to show; ``None``: all.
        """
        by, descending = query.sort.removeprefix("-"), query.sort.startswith("-")
        names = sorted(self._names(query.search, groups, readable))
        effective: dict[str, EffectiveQuota] = {}
        if by == "name":
            names.sort(reverse=descending)
        elif by == "updated_at":
            names.sort(key=self._updated_at, reverse=descending)
        elif self._level == "user":
            effective = self._effective(names)
            names.sort(key=lambda name: _effective_key(by, effective[name]), reverse=descending)
        else:
            names.sort(key=lambda name: self._document_key(by, name), reverse=descending)
        shown = names[query.offset : query.offset + query.limit]
        if self._level != "group" and not effective:
            effective = self._effective(shown)
        return QuotaPage(
            rows=[self._row(name, effective.get(name)) for name in shown], total=len(names)
        )

    def _names(
        self, search: str, groups: Sequence[str], readable: frozenset[str] | None
    ) -> list[str]:
        if self._level == "default":
            return [""] if not search else []
        known = set(self._documents)
        if self._level == "user":
            known |= self._users.keys()
        else:
            known |= {*groups, *(group for user in self._users.values() for group in user.groups)}
        wanted = search.casefold()
        return [
            name
            for name in known
            if wanted in name.casefold() and (readable is None or name in readable)
        ]

    def _groups(self, name: str) -> tuple[str, ...]:
        return self._users[name].groups if name in self._users else ()

    def _effective(self, names: Sequence[str]) -> dict[str, EffectiveQuota]:
        found = self._broker.quotas.effective_of_all([(name, self._groups(name)) for name in names])
        return dict(zip(names, found, strict=True))

    def _updated_at(self, name: str) -> float:
        return self._documents[name].updated_at if name in self._documents else 0.0

    def _document_key(self, field: str, name: str) -> float:
        """Sort levels that do not set *field* before those that do."""
        document = self._documents[name].document if name in self._documents else {}
        return _limit_key(document[field]) if field in document else -1.0

    def _row(self, name: str, effective: EffectiveQuota | None) -> QuotaRow:
        is_user = self._level == "user"
        stored = StoredQuota.of(self._level, name, self._documents.get(name))
        used = effective.used if effective is not None and is_user else None
        return QuotaRow(
            **dict(stored),
            groups=list(self._groups(name)) if is_user else [],
            effective=None if effective is None else EffectiveLimits.of(effective),
            used=None if used is None else QuotaUsage.model_validate(used),
        )


def _effective_key(by: str, effective: EffectiveQuota) -> float:
    if by == "used":
        return effective.used.gpu_hours
    if by == "gpus":
        return effective.used.gpus
    return _limit_key(getattr(effective.quota, by))


def _limit_key(value: Any) -> float:
    """Sort limits by how much they allow: no limit is the most."""
    if value is None:
        return float("inf")
    return float(len(value)) if isinstance(value, list | tuple) else float(value)
