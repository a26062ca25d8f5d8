"""Whose database it is: the lab, its engine, and the epoch of the hub that may write to it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; the first hub that uses it writes its only row."""
    op.create_table(
        "lab",
        sa.Column("row", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("lab_id", sa.String(64)),
        sa.Column("name", sa.Text),
        sa.Column("engine_id", sa.Text),
        sa.Column("engine_name", sa.Text),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("stamp", sa.String(64), nullable=False),
        sa.Column("place", sa.String(64)),
        sa.PrimaryKeyConstraint("row", name="pk_lab"),
    )
