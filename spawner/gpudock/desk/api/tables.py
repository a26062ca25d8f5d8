"""Quotas as a table: page by page for thousands of users, and as a file for spreadsheets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from gpudock.broker import QuotaChange, QuotaTableConflictError
from gpudock.desk.api.quotas import (
    MOST_CHANGES,
    Changed,
    DocumentChange,
    EffectiveLimit,
    Preview,
    StoredQuota,
    Used,
    limits,
    shown_effect,
    stored,
    used,
)
from gpudock.desk.api.rights import readable
from gpudock.desk.endpoints import CSV, Answer, Audience, Call, Catalogue, for_others
from gpudock.desk.errors import Refusal, senseless
from gpudock.desk.schema import Limit, Offset, Shown, Strict, Text
from gpudock.policy.quota.documents import FIELDS
from gpudock.policy.quota.table import QuotaTableError, TableProblem, read_table, write_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gpudock.broker import DeskBroker, EffectiveQuota, QuotaDocument, TableChange
    from gpudock.desk.hub_client import Person

    Documents = Mapping[tuple[str, str], QuotaDocument]

catalogue = Catalogue()

_TABLE_BYTES = 20 * 2**20
_MOST_PROBLEMS = 20
_MOST_SHOWN = 200
SORTS = ("name", "updated_at", "used", "gpus", *FIELDS)
_SORTS = [sign + name for name in SORTS for sign in ("", "-")]


def _sort(value: Any) -> Any:
    if value not in _SORTS:
        raise ValueError("it is none of " + ", ".join(SORTS) + ", with a «-» before it or not")
    return value


class TableQuery(Strict):
    """Which rows, and in which order."""

    level: Literal["default", "group", "user"] = "user"
    search: Text = Field(default="", description="Part of the name, in whatever case")
    sort: Annotated[
        str, BeforeValidator(_sort), WithJsonSchema({"type": "string", "enum": _SORTS})
    ] = Field(
        default="name",
        description="By name, by the latest change, by GPU-hours used, by GPUs held, or by a limit"
        " in force; with a «-» before it the largest first",
    )
    offset: Offset = 0
    limit: Limit = 50


class QuotaRow(StoredQuota):
    """A row of the table: what the level says, and what is in force for a user, or by default."""

    groups: list[str]
    effective: dict[str, EffectiveLimit] | None
    used: Used | None


class QuotaPage(Shown):
    """A page of the table."""

    rows: list[QuotaRow]
    total: int = Field(description="How many rows there are on all pages")


@catalogue.add(
    "GET",
    "quotas",
    "The table of quotas",
    audience=Audience.USER,
    query=TableQuery,
    answer=QuotaPage,
)
async def list_quotas(call: Call) -> Answer:
    """Users, groups or the default, each with its document; all but groups with what is in force.

    There is a row for everybody whom the Hub knows, and for everybody who has a document. Groups
    and the default are for those who may see everything; users are told as far as one may see them.
    """
    query: TableQuery = call.query
    names = await readable(call)
    if names is not None and query.level != "user":
        raise for_others(Audience.READER)
    people = await call.office.hub.people()
    groups = await call.office.hub.groups() if query.level == "group" else ()
    page = await call.office.look(_page, query, people, groups, names)
    return Answer(page)


class LineProblem(Shown):
    """What is wrong with a line of a file."""

    line: int | None = Field(description="1 is the head; null: the file as a whole")
    message: str


class TablePreview(Shown):
    """What taking quotas from a file would mean at this moment."""

    revision: int = Field(
        description="Of all quotas together; with it in `If-Match` the file is taken only if no"
        " quota has been changed since"
    )
    problem_count: int = Field(description="How many problems there are; with any nothing is taken")
    problems: list[LineProblem] = Field(description=f"The first {_MOST_SHOWN} problems")
    added: int = Field(description="Lines that give a document to a level that has none")
    changed: int = Field(description="Lines that change a document")
    removed: int = Field(description="Lines that take a document away")
    unchanged: int = Field(description="Lines that say what is there already")
    changes: list[DocumentChange] = Field(description=f"The first {_MOST_SHOWN} changes")
    effect: Preview


@catalogue.add(
    "GET",
    "quotas.csv",
    "All quotas as a file",
    audience=Audience.READER,
    media=(CSV,),
    conditional=True,
)
async def export_quotas(call: Call) -> Answer:
    """Every document as one row; an empty cell is not set at that level, `none` is no limit."""
    documents, revision = await call.office.look(lambda broker: broker.quotas.table())
    text = write_table((item.level, item.name, item.document) for item in documents)
    return Answer(text, media_type=CSV, filename="quotas.csv", revision=revision)


@catalogue.add(
    "PUT",
    "quotas.csv",
    "Take quotas from a file",
    audience=Audience.MANAGER,
    body=str,
    body_media=CSV,
    largest_body=_TABLE_BYTES,
    answer=Changed,
    conditional=True,
    errors=(422,),
)
async def import_quotas(call: Call) -> Answer:
    """Set each document that the file has a row for, all or none; others stay as they are.

    A row without any field removes the level's document. Each problem is told with its line. The
    revision is that of all quotas together, which the export and the preview tell.
    """
    try:
        rows = _rows(call.body)
    except QuotaTableError as error:
        raise senseless(_in_words(error.problems)) from error
    try:
        changes = await call.office.act(
            lambda broker: broker.quotas.import_table(rows, call.visitor.actor, call.revision)
        )
    except QuotaTableConflictError as error:
        raise Refusal(412, "changed_meanwhile", str(error)) from error
    return Answer(Changed(changed=len(changes)))


@catalogue.add(
    "POST",
    "quotas.csv/preview",
    "What taking quotas from a file would mean",
    audience=Audience.MANAGER,
    body=str,
    body_media=CSV,
    largest_body=_TABLE_BYTES,
    answer=TablePreview,
)
async def preview_table(call: Call) -> Answer:
    """Tell what a file would change, and what that would mean for those who run and wait now.

    Nothing is changed. Of a file that would be refused it tells all that is wrong, line by line.
    """
    rows: list[QuotaChange] = []
    problems: tuple[TableProblem, ...] = ()
    try:
        rows = _rows(call.body)
    except QuotaTableError as error:
        problems = error.problems
    groups_of = await call.office.hub.groups_of()
    found = await call.office.look(lambda broker: broker.quotas.preview_table(rows, groups_of))
    before = [change.before is not None for change in found.changes]
    after = [change.after is not None for change in found.changes]
    return Answer(
        TablePreview(
            revision=found.revision,
            problem_count=len(problems),
            problems=[
                LineProblem(line=problem.line, message=problem.message)
                for problem in problems[:_MOST_SHOWN]
            ],
            added=before.count(False),
            changed=len(found.changes) - before.count(False) - after.count(False),
            removed=after.count(False),
            unchanged=found.unchanged,
            changes=[_shown_change(change) for change in found.changes[:_MOST_SHOWN]],
            effect=shown_effect(found.effect, None),
        )
    )


def _rows(text: str) -> list[QuotaChange]:
    """Read a file.

    Raises:
        QuotaTableError: it cannot be taken.
    """
    rows = read_table(text)
    if len(rows) > MOST_CHANGES:
        message = f"The file has {len(rows)} rows, and {MOST_CHANGES} are the most at once."
        raise QuotaTableError([TableProblem(None, message)])
    return [QuotaChange(row.level, row.name, row.document) for row in rows]


def _shown_change(change: TableChange) -> DocumentChange:
    return DocumentChange.model_validate(
        {
            "level": change.level,
            "name": change.name,
            "before": None if change.before is None else dict(change.before),
            "after": None if change.after is None else dict(change.after),
        }
    )


def _in_words(problems: Sequence[TableProblem]) -> str:
    more = len(problems) - _MOST_PROBLEMS
    told = [str(problem) for problem in problems[:_MOST_PROBLEMS]]
    if more > 0:
        told.append(f"There are {more} more problems.")
    return " ".join([*told, "Nothing was changed."])


def _page(
    broker: DeskBroker,
    query: TableQuery,
    people: Mapping[str, Person],
    groups: Iterable[str],
    names: frozenset[str] | None,
) -> QuotaPage:
    documents = {(item.level, item.name): item for item in broker.quotas.documents()}
    found = sorted(_names(query, documents, people, groups, names))
    by = query.sort.removeprefix("-")
    downwards = query.sort.startswith("-")
    in_force: dict[str, EffectiveQuota] = {}
    if by == "name":
        found.sort(reverse=downwards)
    elif by == "updated_at":
        found.sort(key=lambda name: _changed_at(documents, query.level, name), reverse=downwards)
    elif query.level == "user":
        in_force = _in_force(broker, found, people)
        found.sort(key=lambda name: _key(by, in_force[name]), reverse=downwards)
    else:
        found.sort(key=lambda name: _stated(documents, query.level, name, by), reverse=downwards)
    shown = found[query.offset : query.offset + query.limit]
    if query.level != "group" and not in_force:
        in_force = _in_force(broker, shown, people)
    rows = [_row(query.level, name, documents, people, in_force.get(name)) for name in shown]
    return QuotaPage(rows=rows, total=len(found))


def _names(
    query: TableQuery,
    documents: Documents,
    people: Mapping[str, Person],
    groups: Iterable[str],
    names: frozenset[str] | None,
) -> list[str]:
    if query.level == "default":
        return [""] if not query.search else []
    known = {name for level, name in documents if level == query.level}
    if query.level == "user":
        known |= people.keys()
    else:
        known |= {*groups, *(group for person in people.values() for group in person.groups)}
    wanted = query.search.casefold()
    return [
        name for name in known if wanted in name.casefold() and (names is None or name in names)
    ]


def _in_force(
    broker: DeskBroker, users: Sequence[str], people: Mapping[str, Person]
) -> dict[str, EffectiveQuota]:
    members = [(name, people[name].groups if name in people else ()) for name in users]
    return dict(zip(users, broker.quotas.effective_of_all(members), strict=True))


def _changed_at(documents: Documents, level: str, name: str) -> float:
    found = documents.get((level, name))
    return found.updated_at if found is not None else 0.0


def _key(by: str, found: EffectiveQuota) -> Any:
    if by == "used":
        return found.used.gpu_hours
    if by == "gpus":
        return found.used.gpus
    return _size(getattr(found.quota, by))


def _stated(documents: Documents, level: str, name: str, by: str) -> Any:
    """Order levels that state nothing of a field before those that do."""
    found = documents.get((level, name))
    if found is None or by not in found.document:
        return -1.0
    return _size(found.document[by])


def _size(value: Any) -> float:
    """Order limits by how much they allow: no limit is the most."""
    if value is None:
        return float("inf")
    return float(len(value)) if isinstance(value, list | tuple) else float(value)


def _row(
    level: str,
    name: str,
    documents: Documents,
    people: Mapping[str, Person],
    in_force: EffectiveQuota | None,
) -> QuotaRow:
    base = stored(level, name, documents.get((level, name)))
    return QuotaRow(
        **base.model_dump(),
        groups=list(people[name].groups) if level == "user" and name in people else [],
        effective=None if in_force is None else limits(in_force),
        used=used(in_force.used) if in_force is not None and level == "user" else None,
    )
