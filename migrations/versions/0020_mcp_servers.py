"""servers of the Model Context Protocol"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "mcp_servers",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("tools", sa.Text(), nullable=False),
        sa.Column("protocol", sa.String(length=32)),
        sa.Column("checked_at", sa.BigInteger()),
        sa.Column("changed_at", sa.BigInteger()),
        sa.Column("error", sa.String(length=500)),
        sa.Column("drifted", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_mcp_servers")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("mcp_servers")
