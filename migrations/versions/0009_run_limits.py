"""limits on runs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_BUSY = "status IN ('queued', 'running', 'waiting')"


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("tasks", sa.Column("concurrency_key", sa.String(length=500)))
    op.add_column("tasks", sa.Column("concurrency_limit", sa.SmallInteger(), nullable=False, server_default="1"))
    op.add_column("runs", sa.Column("concurrency_key", sa.String(length=200)))
    op.add_column("runs", sa.Column("concurrency_limit", sa.SmallInteger()))
    op.add_column("runs", sa.Column("in_line", sa.SmallInteger(), nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("gate", sa.SmallInteger(), nullable=False, server_default="0"))
    op.drop_index("ix_runs_available", table_name="runs")
    _partial("ix_runs_available", ["available_at"], "status = 'queued' AND gate = 0")
    _partial("ix_runs_at_work", ["task_id"], f"gate <> 1 AND part IS NULL AND trigger <> 'backfill' AND {_BUSY}")
    op.drop_index("ix_runsBUSY", table_name="runs")
    _partial("ix_runs_task_line", ["task_id", "rank", "id"], "gate = 1 AND status = 'queued'")
    _partial("ix_runs_key_line", ["concurrency_key", "rank", "id"], "gate = 2 AND status = 'queued'")
    _partial("ix_runs_later", ["available_at"], "gate = 3 AND status = 'queued'")
    _partial("ix_runs_holding", ["concurrency_key"], f"concurrency_key IS NOT NULL AND gate = 0 AND {_BUSY}")
    _partial("ix_runs_superseding", ["task_id"], "gate = 1 AND status = 'queued' AND in_line = 2")
    _partial("ix_runs_stopping", ["id"], "cancel_requested_at IS NOT NULL AND status IN ('queued', 'waiting')")


def _partial(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "runs", columns, sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    """Take it back."""
    for name in ("stopping", "superseding", "holding", "later", "key_line", "task_line", "at_work", "available"):
        op.drop_index(f"ix_runs_{name}", table_name="runs")
    _partial("ix_runs_available", ["available_at"], "status = 'queued'")
    _partial("ix_runsBUSY", ["task_id"], _BUSY)
    for name in ("gate", "in_line", "concurrency_limit", "concurrency_key"):
        op.drop_column("runs", name)
    op.drop_column("tasks", "concurrency_limit")
    op.drop_column("tasks", "concurrency_key")
