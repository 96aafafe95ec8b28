"""events"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TRIGGERS = sa.text("status = 'active' AND schedule_kind IN ('event', 'condition')")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "events",
        sa.Column(
            "position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("topic", sa.String(length=200), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=300), nullable=True),
        sa.Column("triggered", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_events")),
    )
    op.create_index("ix_events_topic", "events", ["topic", "position"])
    op.create_index("uq_events_idempotency_key", "events", ["idempotency_key"], unique=True)
    marks = op.create_table(
        "event_marks",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_event_marks")),
    )
    op.bulk_insert(marks, [{"name": name, "position": 0} for name in ("last", "relayed", "trimmed", "triggers")])
    op.add_column("runs", sa.Column("event", sa.Text(), nullable=True))
    op.create_index(
        "ix_tasks_triggers", "tasks", ["schedule_kind", "id"], sqlite_where=TRIGGERS, postgresql_where=TRIGGERS
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_tasks_triggers", "tasks", sqlite_where=TRIGGERS, postgresql_where=TRIGGERS)
    with op.batch_alter_table("runs") as batch:
        batch.drop_column("event")
    op.drop_table("event_marks")
    op.drop_index("uq_events_idempotency_key", "events")
    op.drop_index("ix_events_topic", "events")
    op.drop_table("events")
