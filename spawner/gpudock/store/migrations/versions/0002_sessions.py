"""Sessions that end, shared devices, revisions of quotas, and the use of each day.

The leases that ended under the first schema are entered into ``usage_days``; which groups their
users were in was not kept then, so groups have no use from before.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Iterator

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_DAY = 86400
_ROWS = 5000

_META = sa.table("meta", sa.column("key", sa.String), sa.column("value", sa.BigInteger))


def upgrade() -> None:
    """Add columns and tables, and fill them from what is there."""
    op.add_column("gpus", sa.Column("slots", sa.Integer, nullable=False, server_default="1"))
    for column in (
        sa.Column("groups", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("slots", sa.Integer, nullable=False, server_default="1"),
        sa.Column("latest_end", sa.Float),
        sa.Column("promised", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("gpu_hours_limit", sa.Float),
        sa.Column("gpu_hours_window", sa.Float),
        sa.Column("group_hours", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("active_at", sa.Float),
        sa.Column("warned_at", sa.Float),
        sa.Column("adopted", sa.Boolean, nullable=False, server_default=sa.false()),
    ):
        op.add_column("leases", column)
    op.create_index("ix_leases_username_ended_at", "leases", ["username", "ended_at"])
    op.execute("UPDATE leases SET latest_end = expires_at")
    op.create_index(
        "ix_requests_username_server_sequence", "requests", ["username", "server", "sequence"]
    )
    op.add_column(
        "quotas", sa.Column("revision", sa.BigInteger, nullable=False, server_default="1")
    )
    usage_days = op.create_table(
        "usage_days",
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("day", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("gpu_seconds", sa.Float, nullable=False),
        sa.Column("leases", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("kind", "day", "name", name="pk_usage_days"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_days_kind_name_day", "usage_days", ["kind", "name", "day"])
    ended, longest = _enter_use(usage_days)
    op.bulk_insert(
        _META,
        [
            {"key": "quota_revision", "value": 1},
            {"key": "ended_leases", "value": ended},
            {"key": "longest_lease", "value": longest},
        ],
    )


def _enter_use(usage_days: sa.Table) -> tuple[int, int]:
    """Fill *usage_days*; return how many leases ended, and the length of the longest, seconds."""
    used: dict[tuple[str, int, str], list[float]] = defaultdict(lambda: [0.0, 0])
    longest = 0.0
    ended: set[str] = set()
    rows = op.get_bind().execute(
        sa.text(
            "SELECT leases.id, username, gpu_uuid, granted_at, ended_at FROM leases"
            " JOIN lease_gpus ON lease_gpus.lease_id = leases.id WHERE ended_at IS NOT NULL"
        )
    )
    for lease_id, username, gpu_uuid, granted_at, ended_at in rows:
        longest = max(longest, ended_at - granted_at)
        for number, (day, seconds) in enumerate(_days(granted_at, ended_at)):
            for key, is_new in (
                (("user", day, username), lease_id not in ended),
                (("gpu", day, gpu_uuid), True),
            ):
                used[key][0] += seconds
                used[key][1] += number == 0 and is_new
        ended.add(lease_id)
    values = [
        {"kind": kind, "day": day, "name": name, "gpu_seconds": seconds, "leases": leases}
        for (kind, day, name), (seconds, leases) in used.items()
    ]
    for start in range(0, len(values), _ROWS):
        op.bulk_insert(usage_days, values[start : start + _ROWS])
    return len(ended), math.ceil(longest)


def _days(start: float, end: float) -> Iterator[tuple[int, float]]:
    """Split a span into days (UTC): day number, seconds of it."""
    day = math.floor(start / _DAY)
    while True:
        yield day, max(0.0, min(end, (day + 1) * _DAY) - max(start, day * _DAY))
        day += 1
        if day * _DAY >= end:
            return
