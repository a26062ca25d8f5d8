"""Accounts that an administrator has deactivated."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; accounts that were blocked before count as waiting for approval."""
    op.create_table(
        "deactivated_accounts",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_deactivated_accounts"),
    )
