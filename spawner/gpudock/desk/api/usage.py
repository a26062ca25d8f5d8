"""How much was used, by users, groups and GPUs."""

from __future__ import annotations

import csv
import datetime as dt
import io
import time
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from gpudock.desk.api.rights import readable
from gpudock.desk.endpoints import CSV, JSON, Answer, Audience, Call, Catalogue, for_others
from gpudock.desk.errors import forbidden, senseless
from gpudock.desk.schema import Moment, Name, Shown, Strict

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gpudock.broker import UsageRow

catalogue = Catalogue()

_DAY = 86400.0
_DAYS = {"day": 1, "week": 7, "month": 28}
MOST_BUCKETS = 1_000
_USUAL_DAYS = 30


class UsageQuery(Strict):
    """Which use, of whom, and how it is to be told."""

    since: Moment | None = Field(
        default=None, alias="from", description="Begin; left out: 30 days before the end"
    )
    until: Moment | None = Field(default=None, alias="to", description="End; left out: now")
    by: Literal["user", "group", "gpu"] = Field(
        default="user", description="For whom to sum up; a user in several groups counts in each"
    )
    bucket: Literal["day", "week", "month"] | None = Field(
        default=None,
        description="Into which pieces to divide the time, in UTC;"
        f" not more than {MOST_BUCKETS} of them",
    )
    name: Name | None = Field(default=None, description="Only this user, group or GPU")
    format: Literal["json", "csv"] = "json"


class UsageShown(Shown):
    """What somebody, or a GPU, used in a piece of time."""

    name: str
    bucket_start: float
    gpu_hours: float = Field(description="A slot of a shared GPU counts as its part of one")
    leases: int = Field(description="How many sessions began")


class UsageList(Shown):
    """What was used."""

    rows: list[UsageShown]
    since: float
    until: float


@catalogue.add(
    "GET",
    "usage",
    "What was used",
    audience=Audience.USER,
    query=UsageQuery,
    answer=UsageList,
    media=(JSON, CSV),
    errors=(422,),
)
async def get_usage(call: Call) -> Answer:
    """GPU-hours in a span of time, sessions that still run included.

    By user one sees oneself, and others as far as one may; the lead of a group sees the group. By
    GPU is for those who may see everything. A span that ends before it begins holds nothing.
    """
    query: UsageQuery = call.query
    until = time.time() if query.until is None else query.until
    since = until - _USUAL_DAYS * _DAY if query.since is None else query.since
    if query.bucket and (until - since) / (_DAYS[query.bucket] * _DAY) > MOST_BUCKETS:
        raise senseless(
            f"This would be more than {MOST_BUCKETS} pieces of time. Ask for a shorter span, or"
            " for longer pieces."
        )
    names = await _names(call, query)
    rows = await call.office.count(
        lambda broker: broker.usage.report(since, until, query.by, query.bucket, names)
    )
    if query.format == "csv":
        return Answer(_table(query, rows), media_type=CSV, filename=f"usage-by-{query.by}.csv")
    shown = [
        UsageShown(
            name=row.name,
            bucket_start=row.bucket_start,
            gpu_hours=round(row.gpu_hours, 6),
            leases=row.leases,
        )
        for row in rows
    ]
    return Answer(UsageList(rows=shown, since=since, until=until))


async def _names(call: Call, query: UsageQuery) -> Collection[str] | None:
    """Return whom to sum up; ``None``: everybody.

    Raises:
        Refusal: the visitor may not see what they ask for.
    """
    reads = call.visitor.reads
    allowed: Collection[str] | None
    match query.by:
        case "user":
            allowed = await readable(call)
        case "group":
            allowed = None if reads.everyone else reads.groups
        case "gpu":
            allowed = None if reads.everyone else ()
    if allowed is not None and not allowed and query.by != "user":
        raise for_others(Audience.READER)
    if query.name is None:
        return allowed
    if allowed is not None and query.name not in allowed:
        raise forbidden("What others use is not for everybody to see.")
    return [query.name]


def _table(query: UsageQuery, rows: Sequence[UsageRow]) -> str:
    text = io.StringIO()
    # With both characters of a line's end a name that contains one of them is quoted.
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow([query.by, "from", "gpu_hours", "sessions"])
    for row in rows:
        table.writerow(
            [shielded(row.name), iso(row.bucket_start), f"{row.gpu_hours:.6f}", row.leases]
        )
    return text.getvalue()


def iso(moment: float) -> str:
    """Return a moment as text, in UTC."""
    return dt.datetime.fromtimestamp(moment, dt.UTC).isoformat(timespec="seconds")


def shielded(cell: str) -> str:
    """Keep a spreadsheet from taking a text for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r", "'")) else cell
