"""tasks of servers that runs have waited for"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "mcp_errands",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("server", sa.String(length=63), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("failed_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("run_id", "task_id", name=op.f("pk_mcp_errands")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("mcp_errands")
