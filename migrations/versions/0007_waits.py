"""waits"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("runs", sa.Column("parent_run_id", sa.String(length=36)))
    op.add_column("runs", sa.Column("part", sa.Text()))
    _partial("ix_runs_parent", "runs", "parent_run_id", "parent_run_id IS NOT NULL")
    op.create_table(
        "waits",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("step_id", sa.String(length=100), nullable=False),
        sa.Column("uses", sa.String(length=128)),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("item", sa.Integer()),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("due_result", sa.Text()),
        sa.Column("topic", sa.String(length=2000)),
        sa.Column("head", sa.String(length=201)),
        sa.Column("platform", sa.Integer()),
        sa.Column("matching", sa.Text()),
        sa.Column("child_run_id", sa.String(length=36)),
        sa.Column("remaining", sa.Integer()),
        sa.Column("failed", sa.Integer()),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_waits_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waits")),
        sa.UniqueConstraint("run_id", name=op.f("uq_waits_run_id")),
    )
    _partial("ix_waits_due", "waits", "due_at", "due_at IS NOT NULL")
    _partial("ix_waits_event", "waits", "head", "kind = 'event'")
    _partial("ix_waits_platform", "waits", "platform", "platform = 1")
    _partial("ix_waits_child", "waits", "child_run_id", "child_run_id IS NOT NULL")


def _partial(name: str, table: str, column: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, [column], sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    """Take it back."""
    op.drop_table("waits")
    op.drop_index("ix_runs_parent", table_name="runs")
    op.drop_column("runs", "part")
    op.drop_column("runs", "parent_run_id")
