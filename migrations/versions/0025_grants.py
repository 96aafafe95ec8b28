"""grants"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("tasks", sa.Column("grant_status", sa.String(length=16)))
    op.add_column("tasks", sa.Column("granted_until", sa.BigInteger()))
    op.create_table(
        "grants",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("asked_by", sa.String(length=100), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger()),
        sa.Column("outside", sa.String(length=8), nullable=False),
        sa.Column("decided_by", sa.String(length=100)),
        sa.Column("decided_at", sa.BigInteger()),
        sa.Column("comment", sa.Text()),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_grants_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
    )
    op.create_index("ix_grants_task", "grants", ["task_id", "id"])
    op.create_index("ix_grants_status", "grants", ["status", "id"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("grants")
    op.drop_column("tasks", "granted_until")
    op.drop_column("tasks", "grant_status")
