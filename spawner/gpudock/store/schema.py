"""The tables. What they look like at each version is the business of ``migrations``.

Two partial unique indexes make the database itself refuse what must never happen: a device (or a
slot of it) in two live leases, and two live leases of one server.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _time(name: str, *, moves: bool, nullable: bool = True) -> Column[float]:
    """Return a column of Unix times.

    Args:
        name: of the column.
        moves: whether the times stand for a span that lasts until now or from now on (a session
            that goes on, a request that waits), so that they move when the clock is set. Others
            are a record of what happened, and stay.
        nullable: whether a row may have none.
    """
    return Column(name, Float, nullable=nullable, info={"moves_with_clock": moves})


# SQLite counts rows by itself only in a column of exactly this type.
_Serial = BigInteger().with_variant(Integer, "sqlite")

gpus = Table(
    "gpus",
    metadata,
    Column("uuid", String(128), primary_key=True),
    Column("host", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("parent_uuid", String(128)),
    Column("mig_profile", Text),
    Column("standing", String(16), key="admin_state", nullable=False),
    Column("reason", Text),
    Column("in_use_by", Text),
    _time("freed_at", moves=True),
    _time("first_seen", moves=False, nullable=False),
    _time("last_seen", moves=False, nullable=False),
    Column("slots", Integer, nullable=False, server_default="1"),
)

leases = Table(
    "leases",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("username", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("share", String(16), nullable=False),
    _time("granted_at", moves=True, nullable=False),
    Column("state", String(16), nullable=False),
    Column("container_id", String(128)),
    _time("expires_at", moves=True),
    _time("ended_at", moves=False),
    Column("end_reason", Text),
    Column("groups", JSON, nullable=False, server_default="[]"),
    Column("slots", Integer, nullable=False, server_default="1"),
    _time("latest_end", moves=True),
    Column("promised", Boolean, key="backfilled", nullable=False, server_default=false()),
    Column("gpu_hours_limit", Float),
    Column("gpu_hours_window", Float),
    Column("group_hours", JSON, nullable=False, server_default="[]"),
    _time("active_at", moves=True),
    _time("warned_at", moves=True),
    Column("adopted", Boolean, nullable=False, server_default=false()),
)
Index(
    "one_live_lease_per_server",
    leases.c.username,
    leases.c.server,
    unique=True,
    sqlite_where=leases.c.state != "ended",
    postgresql_where=leases.c.state != "ended",
)
Index("ix_leases_state", leases.c.state)
Index("ix_leases_ended_at", leases.c.ended_at)
Index("ix_leases_username_ended_at", leases.c.username, leases.c.ended_at)

lease_gpus = Table(
    "lease_gpus",
    metadata,
    Column("lease_id", ForeignKey("leases.id"), primary_key=True),
    Column("gpu_uuid", ForeignKey("gpus.uuid"), primary_key=True),
    Column("slot", Integer, nullable=False),
    Column("live", Boolean, nullable=False),
)
Index(
    "one_live_lease_per_slot",
    lease_gpus.c.gpu_uuid,
    lease_gpus.c.slot,
    unique=True,
    sqlite_where=text("live"),
    postgresql_where=text("live"),
)

requests = Table(
    "requests",
    metadata,
    Column("sequence", _Serial, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("username", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("gpu_model", Text),
    Column("share", String(16), nullable=False),
    Column("when_busy", String(16), nullable=False),
    Column("image", Text, nullable=False),
    Column("groups", JSON, nullable=False),
    Column("user_options", JSON, nullable=False),
    _time("created_at", moves=True, nullable=False),
    Column("state", String(16), nullable=False),
    _time("settled_at", moves=False),
    Column("lease_id", ForeignKey("leases.id")),
    Column("message", Text),
    Column("is_next", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)
Index(
    "one_waiting_request_per_server",
    requests.c.username,
    requests.c.server,
    unique=True,
    sqlite_where=requests.c.state == "waiting",
    postgresql_where=requests.c.state == "waiting",
)
Index("ix_requests_state", requests.c.state)
Index("ix_requests_lease_id", requests.c.lease_id)
Index(
    "ix_requests_username_server_sequence",
    requests.c.username,
    requests.c.server,
    requests.c.sequence,
)

quotas = Table(
    "quotas",
    metadata,
    Column("level", String(16), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("document", JSON, nullable=False),
    _time("updated_at", moves=False, nullable=False),
    Column("updated_by", Text, nullable=False),
    Column("revision", BigInteger, nullable=False, server_default="1"),
)

# What the leases that have ended used, on each day (UTC, counted from 1970-01-01). One row for each
# user, group and device that used anything, so that years are summed without reading each lease.
usage_days = Table(
    "usage_days",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("gpu_seconds", Float, nullable=False),
    Column("leases", Integer, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_usage_days_kind_name_day", usage_days.c.kind, usage_days.c.name, usage_days.c.day)

audit = Table(
    "audit",
    metadata,
    Column("sequence", _Serial, primary_key=True, autoincrement=True),
    _time("at", moves=False, nullable=False),
    Column("by", Text, nullable=False),
    Column("what", String(64), nullable=False),
    Column("target", Text, nullable=False),
    Column("before", JSON),
    Column("after", JSON),
    sqlite_autoincrement=True,
)
Index("ix_audit_at", audit.c.at)

# Accounts of the lab that an administrator has deactivated; all others are in the Hub's database.
deactivated_accounts = Table(
    "deactivated_accounts",
    metadata,
    Column("name", Text, primary_key=True),
    _time("at", moves=False, nullable=False),
    Column("by", Text, nullable=False),
)

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# One row: whose database this is, and which hub may write to it; see ``gpudock.store.lab``.
lab = Table(
    "lab",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("lab_id", String(64)),
    Column("name", Text),
    Column("engine_id", Text),
    Column("engine_name", Text),
    Column("epoch", BigInteger, nullable=False),
    Column("token", String(64), nullable=False),
    Column("stamp", String(64), nullable=False),
    Column("place", String(64)),
)


def moving_times(table: Table) -> list[str]:
    """Return the names of a table's times that move when the clock is set."""
    return [column.key for column in table.c if column.info.get("moves_with_clock")]
