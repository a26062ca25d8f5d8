"""The sessions of the lab, running and ended, as a report for administrators."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from gpudock.broker import LeaseFilter
from gpudock.desk.api.csv_text import csv_text, iso
from gpudock.desk.api.rights import check_may_read, readable_users
from gpudock.desk.endpoints import CSV, JSON, APIRequest, Audience, Response, Router
from gpudock.desk.schema import (
    DeviceUUID,
    Limit,
    Moment,
    Name,
    Offset,
    RequestModel,
    ResponseModel,
    Sentence,
    rounded,
)
from gpudock.model import LeaseState
from gpudock.policy.end_reasons import EndKind, explain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpudock.model import GPU, Lease

router = Router()

_HOUR = 3600.0
_MAX_CSV_ROWS = 100_000
_HEADER = (
    "user",
    "server",
    "image",
    "gpus",
    "gpu_models",
    "start",
    "end",
    "hours",
    "gpu_hours",
    "why",
    "id",
)

Kind = Literal["stopped", "time", "hours", "idle", "exited", "not_started", "account_gone", "other"]


class SessionReportQuery(RequestModel):
    """Which sessions, and in which form."""

    user: Name | None = Field(default=None, description="Only this user's")
    gpu: DeviceUUID | None = Field(default=None, description="Only those with this GPU")
    since: Moment | None = Field(
        default=None, alias="from", description="Only those that had not ended by then"
    )
    until: Moment | None = Field(
        default=None, alias="to", description="Only those that had begun by then"
    )
    limit: Limit = 100
    offset: Offset = 0
    format: Literal["json", "csv"] = Field(
        default="json", description="`csv` has all rows, without pages"
    )


class SessionGPU(ResponseModel):
    """A GPU of a session. What is not known any more is `null`."""

    uuid: str
    index: int | None
    host: str | None
    model: str | None
    mig_profile: str | None


class SessionReportRow(ResponseModel):
    """A session, running or ended."""

    id: str
    user: str
    server: str = Field(description="The server's name; empty for the user's default server")
    image: str
    gpus: list[SessionGPU] = Field(description="Empty for a server without a GPU")
    slots: int = Field(description="Into how many slots its GPU is divided; 1: it had all of it")
    state: Literal["granted", "active", "stopping", "ended"]
    started_at: float
    ended_at: float | None = Field(description="null: it has not ended")
    hours: Annotated[float, rounded(6)] = Field(description="How long it has lasted")
    gpu_hours: Annotated[float, rounded(6)] = Field(
        description="A slot of a shared GPU counts as its part of one"
    )
    end_kind: Kind | None = Field(description="What kind of end it has; null: it goes on")
    end_text: Sentence | None = Field(
        description="Why it ended, a phrase such as `12 h limit reached`; null: it goes on"
    )


class SessionReport(ResponseModel):
    """A page of sessions, the latest start first."""

    rows: list[SessionReportRow]
    total: int = Field(description="Number of sessions on all pages")


@router.add(
    "GET",
    "sessions",
    Audience.USER,
    query=SessionReportQuery,
    answer=SessionReport,
    media=(JSON, CSV),
)
async def report_sessions(request: APIRequest) -> Response | SessionReport:
    """Report sessions.

    All sessions that the caller may read, running and ended, with the reason of their end: their
    own at least. The latest start comes first.
    """
    query: SessionReportQuery = request.query
    users = await readable_users(request)
    if query.user is not None:
        await check_may_read(request, query.user)
        users = frozenset({query.user})
    wanted = LeaseFilter(users=users, gpu=query.gpu, since=query.since, until=query.until)
    as_csv = query.format == "csv"
    offset, limit = (0, _MAX_CSV_ROWS) if as_csv else (query.offset, query.limit)
    leases, total, devices = await request.backend.report(
        lambda broker: broker.leases.page(wanted, offset, limit)
    )
    now, reader = time.time(), request.principal.user
    rows = [_row(lease, devices, now, reader) for lease in leases]
    if as_csv:
        return Response(_table(rows), media_type=CSV, filename="sessions.csv")
    return SessionReport(rows=rows, total=total)


def _row(
    lease: Lease, devices: Mapping[str, GPU], now: float, reader: str | None
) -> SessionReportRow:
    over = lease.state in (LeaseState.STOPPING, LeaseState.ENDED)
    reason = explain(lease, reader) if over else None
    hours = max(0.0, (lease.ended_at or now) - lease.granted_at) / _HOUR
    return SessionReportRow(
        id=lease.id,
        user=lease.user,
        server=lease.server,
        image=lease.image,
        gpus=[_gpu(uuid, devices.get(uuid)) for uuid in lease.gpu_uuids],
        slots=lease.slots,
        state=lease.state.value,
        started_at=lease.granted_at,
        ended_at=lease.ended_at,
        hours=hours,
        gpu_hours=hours * lease.gpu_share,
        end_kind=None if reason is None else _kind(reason.kind),
        end_text=None if reason is None else reason.text,
    )


def _kind(kind: EndKind) -> Kind:
    return kind.value


def _gpu(uuid: str, device: GPU | None) -> SessionGPU:
    return SessionGPU(
        uuid=uuid,
        index=None if device is None else device.index,
        host=None if device is None else device.host,
        model=None if device is None else device.model,
        mig_profile=None if device is None else device.mig_profile,
    )


def _table(rows: Sequence[SessionReportRow]) -> str:
    return csv_text(
        _HEADER,
        [
            (
                row.user,
                row.server,
                row.image,
                " ".join(gpu.uuid for gpu in row.gpus),
                "; ".join(gpu.model or "" for gpu in row.gpus),
                iso(row.started_at),
                "" if row.ended_at is None else iso(row.ended_at),
                f"{row.hours:.4f}",
                f"{row.gpu_hours:.4f}",
                row.end_text or "",
                row.id,
            )
            for row in rows
        ],
    )
