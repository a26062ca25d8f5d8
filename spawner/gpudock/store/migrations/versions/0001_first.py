"""The first schema: devices, leases, requests, quotas, audit.

A migration is never changed after its release: this one describes the tables as they were then,
not as ``schema`` has them today.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "gpus",
        sa.Column("uuid", sa.String(128), nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("memory_mib", sa.Integer, nullable=False),
        sa.Column("parent_uuid", sa.String(128)),
        sa.Column("mig_profile", sa.Text),
        sa.Column("standing", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("in_use_by", sa.Text),
        sa.Column("freed_at", sa.Float),
        sa.Column("first_seen", sa.Float, nullable=False),
        sa.Column("last_seen", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_gpus"),
    )
    _create_leases()
    _create_requests()
    op.create_table(
        "quotas",
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.Column("updated_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("level", "name", name="pk_quotas"),
    )
    op.create_table(
        "audit",
        sa.Column("sequence", _SERIAL, nullable=False, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("before", sa.JSON),
        sa.Column("after", sa.JSON),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    meta = op.create_table(
        "meta",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.bulk_insert(meta, [{"key": "generation", "value": 1}])


def _create_leases() -> None:
    op.create_table(
        "leases",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("image", sa.Text, nullable=False),
        sa.Column("share", sa.String(16), nullable=False),
        sa.Column("granted_at", sa.Float, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("container_id", sa.String(128)),
        sa.Column("expires_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("end_reason", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_leases"),
    )
    op.create_index(
        "one_live_lease_per_server",
        "leases",
        ["username", "server"],
        unique=True,
        sqlite_where=sa.text("state != 'ended'"),
        postgresql_where=sa.text("state != 'ended'"),
    )
    op.create_index("ix_leases_state", "leases", ["state"])
    op.create_index("ix_leases_ended_at", "leases", ["ended_at"])
    op.create_table(
        "lease_gpus",
        sa.Column("lease_id", sa.String(64), nullable=False),
        sa.Column("gpu_uuid", sa.String(128), nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("lease_id", "gpu_uuid", name="pk_lease_gpus"),
        sa.ForeignKeyConstraint(["lease_id"], ["leases.id"], name="fk_lease_gpus_lease_id"),
        sa.ForeignKeyConstraint(["gpu_uuid"], ["gpus.uuid"], name="fk_lease_gpus_gpu_uuid"),
    )
    op.create_index(
        "one_live_lease_per_slot",
        "lease_gpus",
        ["gpu_uuid", "slot"],
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    )


def _create_requests() -> None:
    op.create_table(
        "requests",
        sa.Column("sequence", _SERIAL, nullable=False, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("gpus", sa.Integer, nullable=False),
        sa.Column("gpu_model", sa.Text),
        sa.Column("share", sa.String(16), nullable=False),
        sa.Column("when_busy", sa.String(16), nullable=False),
        sa.Column("image", sa.Text, nullable=False),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("user_options", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("settled_at", sa.Float),
        sa.Column("lease_id", sa.String(64)),
        sa.Column("message", sa.Text),
        sa.PrimaryKeyConstraint("sequence", name="pk_requests"),
        sa.UniqueConstraint("id", name="uq_requests_id"),
        sa.ForeignKeyConstraint(["lease_id"], ["leases.id"], name="fk_requests_lease_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "one_waiting_request_per_server",
        "requests",
        ["username", "server"],
        unique=True,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_requests_state", "requests", ["state"])
    op.create_index("ix_requests_lease_id", "requests", ["lease_id"])
