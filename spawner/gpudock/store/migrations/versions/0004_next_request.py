"""Which waiting request is next, so that it stays next when the hub or the desk decides again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mark; the next decision sets it."""
    op.add_column(
        "requests",
        sa.Column("is_next", sa.Boolean, nullable=False, server_default=sa.false()),
    )
