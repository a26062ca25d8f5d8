"""Who changed what, when, from what to what."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from gpudock.broker import AuditFilter
from gpudock.desk.api.usage import iso, shielded
from gpudock.desk.endpoints import CSV, JSON, Answer, Audience, Call, Catalogue
from gpudock.desk.schema import Limit, Moment, Offset, Shown, Strict, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpudock.broker import AuditEntry

catalogue = Catalogue()

_MOST_ROWS = 100_000


class AuditQuery(Strict):
    """Which changes."""

    by: Text | None = Field(default=None, description="Only what this user did")
    what: Text | None = Field(
        default=None, description="Only this kind of change, such as `quota` or `quota.set`"
    )
    target: Text | None = Field(default=None, description="Only what was done to this")
    since: Moment | None = Field(default=None, alias="from", description="Begin")
    until: Moment | None = Field(default=None, alias="to", description="End")
    limit: Limit = 100
    offset: Offset = 0
    format: Literal["json", "csv"] = Field(
        default="json", description="`csv` has all rows, and no pages"
    )


class AuditShown(Shown):
    """One change."""

    sequence: int
    at: float
    by: str
    what: str
    target: str
    before: Any = Field(description="null: there was nothing")
    after: Any = Field(description="null: there is nothing any more")


class AuditPage(Shown):
    """A page of changes, the latest first."""

    rows: list[AuditShown]
    total: int = Field(description="How many there are on all pages")


@catalogue.add(
    "GET",
    "audit",
    "Who changed what",
    audience=Audience.READER,
    query=AuditQuery,
    answer=AuditPage,
    media=(JSON, CSV),
)
async def list_changes(call: Call) -> Answer:
    """Every change that a person made, the latest first, with what was before and after it."""
    query: AuditQuery = call.query
    table = query.format == "csv"
    offset, limit = (0, _MOST_ROWS) if table else (query.offset, query.limit)
    wanted = AuditFilter(
        by=query.by or None,
        what=query.what or None,
        target=query.target or None,
        since=query.since,
        until=query.until,
    )
    entries, total = await call.office.count(
        lambda broker: broker.audit.page(offset, limit, wanted)
    )
    if table:
        return Answer(_table(entries), media_type=CSV, filename="audit.csv")
    rows = [
        AuditShown(
            sequence=entry.sequence,
            at=entry.at,
            by=entry.by,
            what=entry.what,
            target=entry.target,
            before=entry.before,
            after=entry.after,
        )
        for entry in entries
    ]
    return Answer(AuditPage(rows=rows, total=total))


def _table(entries: Sequence[AuditEntry]) -> str:
    text = io.StringIO()
    # With both characters of a line's end a name that contains one of them is quoted.
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(["at", "by", "what", "target", "before", "after"])
    for entry in entries:
        cells = [entry.by, entry.what, entry.target, _json(entry.before), _json(entry.after)]
        table.writerow([iso(entry.at), *map(shielded, cells)])
    return text.getvalue()


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)
