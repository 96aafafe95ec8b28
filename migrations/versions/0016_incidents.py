"""incidents"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_WATCHED = sa.text("expect IS NOT NULL AND watched_since IS NOT NULL")
_OPEN = sa.text("resolved_at IS NULL")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("tasks", sa.Column("expect", sa.Text()))
    op.add_column("tasks", sa.Column("watched_since", sa.BigInteger()))
    op.create_index("ix_tasks_watched", "tasks", ["id"], sqlite_where=_WATCHED, postgresql_where=_WATCHED)
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("limit_seconds", sa.Integer(), nullable=False),
        sa.Column("counted_from", sa.BigInteger(), nullable=False),
        sa.Column("breached_at", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.String(length=36)),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger()),
        sa.Column("resolution", sa.String(length=16)),
        sa.Column("acknowledged_at", sa.BigInteger()),
        sa.Column("acknowledged_by", sa.String(length=100)),
        sa.Column("note", sa.String(length=500)),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_incidents_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index(op.f("ix_incidents_resolved_at"), "incidents", ["resolved_at"])
    op.create_index("ix_incidents_task", "incidents", ["task_id", "id"])
    op.create_index(
        "uq_incidents_open",
        "incidents",
        ["task_id", "kind"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("incidents")
    op.drop_index("ix_tasks_watched", "tasks")
    op.drop_column("tasks", "watched_since")
    op.drop_column("tasks", "expect")
