"""GPU-hours by user, group and GPU."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from gpudock.desk.api.csv_text import csv_text, iso
from gpudock.desk.api.rights import readable_users
from gpudock.desk.endpoints import CSV, JSON, APIRequest, Audience, Response, Router, not_for
from gpudock.desk.errors import ForbiddenError, UnprocessableError
from gpudock.desk.schema import Moment, Name, RequestModel, ResponseModel, rounded
from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gpudock import broker

router = Router()

_DAY = 86400.0
_BUCKET_DAYS = {"day": 1, "week": 7, "month": 28}
MAX_BUCKETS = 1_000
_DEFAULT_DAYS = 30


class UsageQuery(RequestModel):
    """Which usage, and in which form."""

    since: Moment | None = Field(
        default=None, alias="from", description="Start; default: 30 days before the end"
    )
    until: Moment | None = Field(default=None, alias="to", description="End; default: now")
    by: Literal["user", "group", "gpu"] = Field(
        default="user", description="What to sum up by; a user in several groups counts in each"
    )
    bucket: Literal["day", "week", "month"] | None = Field(
        default=None,
        description=f"Sum up each day, week or month (UTC); at most {MAX_BUCKETS} of them",
    )
    name: Name | None = Field(default=None, description="Only this user, group or GPU")
    format: Literal["json", "csv"] = "json"


class UsageRow(ResponseModel):
    """The usage of a user, a group or a GPU in one bucket."""

    name: str
    bucket_start: float
    gpu_hours: Annotated[float, rounded(6)] = Field(
        description="A slot of a shared GPU counts as its part of one"
    )
    leases: int = Field(description="Number of sessions that began")


class UsageList(ResponseModel):
    """Usage in a period."""

    rows: list[UsageRow]
    since: float
    until: float


@router.add(
    "GET",
    "usage",
    Audience.USER,
    query=UsageQuery,
    answer=UsageList,
    media=(JSON, CSV),
    errors=(422,),
)
async def get_usage(request: APIRequest) -> Response | UsageList:
    """Get the GPU-hours of a period.

    Running sessions are included.

    By user, it shows the users that the caller may read; by group, the groups that the caller
    leads; by GPU, it is for those who may read everything. A period that ends before it starts is
    empty.
    """
    query: UsageQuery = request.query
    until = time.time() if query.until is None else query.until
    since = until - _DEFAULT_DAYS * _DAY if query.since is None else query.since
    if query.bucket and (until - since) / (_BUCKET_DAYS[query.bucket] * _DAY) > MAX_BUCKETS:
        raise UnprocessableError(
            Message(
                "This would be more than {most} buckets. Ask for a shorter period or larger"
                " buckets.",
                most=MAX_BUCKETS,
            )
        )
    names = await _names(request)
    rows = await request.backend.report(
        lambda broker: broker.usage.report(since, until, query.by, query.bucket, names)
    )
    if query.format == "csv":
        return Response(_table(query, rows), media_type=CSV, filename=f"usage-by-{query.by}.csv")
    return UsageList(rows=[UsageRow.model_validate(row) for row in rows], since=since, until=until)


async def _names(request: APIRequest) -> Collection[str] | None:
    """Return whose usage to sum up; ``None``: everybody's.

    Raises:
        ForbiddenError: the principal may not see what they ask for.
    """
    query: UsageQuery = request.query
    reads = request.principal.reads
    allowed: Collection[str] | None
    if query.by == "user":
        allowed = await readable_users(request)
    else:
        allowed = reads.groups if query.by == "group" else frozenset()
        if reads.everyone:
            allowed = None
        elif not allowed:
            raise not_for(Audience.READER)
    if query.name is None:
        return allowed
    if allowed is not None and query.name not in allowed:
        raise ForbiddenError(Message("You may not see the usage of others."))
    return [query.name]


def _table(query: UsageQuery, rows: Sequence[broker.UsageRow]) -> str:
    return csv_text(
        [query.by, "from", "gpu_hours", "sessions"],
        [(row.name, iso(row.bucket_start), f"{row.gpu_hours:.6f}", row.leases) for row in rows],
    )
