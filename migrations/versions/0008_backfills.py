"""backfills"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "backfills",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("definition_id", sa.String(length=36), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("max_parallel", sa.Integer(), nullable=False),
        sa.Column("reprocess", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_backfills_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backfills")),
    )
    op.create_index("ix_backfills_task", "backfills", ["task_id", "id"])
    unfinished = sa.text("finished_at IS NULL")
    op.create_index("ix_backfills_open", "backfills", ["id"], sqlite_where=unfinished, postgresql_where=unfinished)
    op.create_table(
        "backfill_dates",
        sa.Column("backfill_id", sa.String(length=36), nullable=False),
        sa.Column("nominal_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("run_id", sa.String(length=36)),
        sa.ForeignKeyConstraint(
            ["backfill_id"], ["backfills.id"], name=op.f("fk_backfill_dates_backfill_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("backfill_id", "nominal_at", name=op.f("pk_backfill_dates")),
    )
    op.create_index("ix_backfill_dates_status", "backfill_dates", ["backfill_id", "status", "nominal_at"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("backfill_dates")
    op.drop_table("backfills")
