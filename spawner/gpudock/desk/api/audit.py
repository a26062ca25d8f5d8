"""The audit trail: who changed what, when, from what to what."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from gpudock.broker import AuditFilter
from gpudock.desk.api.csv_text import csv_text, iso
from gpudock.desk.endpoints import CSV, JSON, APIRequest, Audience, Response, Router
from gpudock.desk.schema import Limit, Moment, Offset, RequestModel, ResponseModel, Sentence, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpudock.broker import AuditEntry, DeskBroker

router = Router()

_MAX_CSV_ROWS = 100_000


class AuditQuery(RequestModel):
    """Which changes."""

    by: Text | None = Field(default=None, description="Only changes by this user")
    what: Text | None = Field(
        default=None, description="Only this kind of change, such as `quota` or `quota.set`"
    )
    target: Text | None = Field(
        default=None,
        description="Only changes of this target; a user's name stands for all that is theirs",
    )
    since: Moment | None = Field(default=None, alias="from", description="Start")
    until: Moment | None = Field(default=None, alias="to", description="End")
    limit: Limit = 100
    offset: Offset = 0
    format: Literal["json", "csv"] = Field(
        default="json", description="`csv` has all rows, without pages"
    )


class AuditRow(ResponseModel):
    """One change."""

    sequence: int
    at: float
    by: str
    what: str
    target: str
    target_name: Sentence = Field(description="The target as people call it, where it is an id")
    before: Any = Field(description="null: there was nothing")
    after: Any = Field(description="null: there is nothing any more")


class AuditPage(ResponseModel):
    """A page of changes, the latest first."""

    rows: list[AuditRow]
    total: int = Field(description="Number of changes on all pages")


@router.add("GET", "audit", Audience.READER, query=AuditQuery, answer=AuditPage, media=(JSON, CSV))
async def list_changes(request: APIRequest) -> Response | AuditPage:
    """List changes.

    The audit trail has every change that a person made, with the state before and after it; the
    latest comes first.
    """
    query: AuditQuery = request.query
    as_csv = query.format == "csv"
    offset, limit = (0, _MAX_CSV_ROWS) if as_csv else (query.offset, query.limit)
    wanted = AuditFilter(
        by=query.by or None,
        what=query.what or None,
        target=query.target or None,
        since=query.since,
        until=query.until,
    )

    def page(broker: DeskBroker) -> tuple[list[AuditEntry], int, dict[str, str]]:
        entries, total = broker.audit.page(offset, limit, wanted)
        return entries, total, broker.audit.target_names(entries)

    entries, total, names = await request.backend.report(page)
    if as_csv:
        return Response(_table(entries), media_type=CSV, filename="audit.csv")
    return AuditPage(rows=[_row(entry, names) for entry in entries], total=total)


def _row(entry: AuditEntry, names: Mapping[str, str]) -> AuditRow:
    name = names.get(entry.target, entry.target)
    return AuditRow.model_validate({**asdict(entry), "target_name": name})


def _table(entries: Sequence[AuditEntry]) -> str:
    return csv_text(
        ["at", "by", "what", "target", "before", "after"],
        [
            (
                iso(entry.at),
                entry.by,
                entry.what,
                entry.target,
                _json(entry.before),
                _json(entry.after),
            )
            for entry in entries
        ],
    )


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)
