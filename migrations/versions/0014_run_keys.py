"""dedupe keys and bursts of events"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("tasks", sa.Column("dedupe_key", sa.String(length=500)))
    for name in ("dedupe_window_seconds", "debounce_seconds", "debounce_max_wait_seconds"):
        op.add_column("tasks", sa.Column(name, sa.Integer()))
    op.create_table(
        "dedupe_keys",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_dedupe_keys_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", "key", name=op.f("pk_dedupe_keys")),
    )
    op.create_index("ix_dedupe_keys_expires", "dedupe_keys", ["expires_at"])
    op.create_table(
        "debounces",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("fire_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.String(length=40), nullable=False),
        sa.Column("topic", sa.String(length=200), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_debounces_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_debounces")),
    )
    op.create_index("ix_debounces_fire", "debounces", ["fire_at"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("debounces")
    op.drop_table("dedupe_keys")
    for name in ("debounce_max_wait_seconds", "debounce_seconds", "dedupe_window_seconds", "dedupe_key"):
        op.drop_column("tasks", name)
