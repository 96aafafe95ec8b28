"""extensions"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "extension_leases",
        sa.Column("extension_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("taken_at", sa.BigInteger(), nullable=True),
        sa.Column("restart_at", sa.BigInteger(), nullable=True),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("extension_id", name=op.f("pk_extension_leases")),
    )
    op.create_table(
        "extension_subscriptions",
        sa.Column("extension_id", sa.String(length=64), nullable=False),
        sa.Column("pattern", sa.String(length=500), nullable=False),
        sa.Column("cursor", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=40), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("extension_id", "pattern", name=op.f("pk_extension_subscriptions")),
    )
    op.create_table(
        "extension_dead_letters",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("extension_id", sa.String(length=64), nullable=False),
        sa.Column("pattern", sa.String(length=500), nullable=False),
        sa.Column("event_id", sa.String(length=40), nullable=False),
        sa.Column("topic", sa.String(length=255), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("redelivering", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extension_dead_letters")),
    )
    with op.batch_alter_table("extension_dead_letters", schema=None) as batch_op:
        batch_op.create_index(
            "ix_extension_dead_letters_asked",
            ["extension_id", "id"],
            unique=False,
            sqlite_where=sa.text("redelivering"),
            postgresql_where=sa.text("redelivering"),
        )
        batch_op.create_index("ix_extension_dead_letters_extension", ["extension_id", "id"], unique=False)

    op.create_table(
        "extension_tasks",
        sa.Column("extension_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("stop_asked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("extension_id", "name", name=op.f("pk_extension_tasks")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("extension_tasks")
    with op.batch_alter_table("extension_dead_letters", schema=None) as batch_op:
        batch_op.drop_index("ix_extension_dead_letters_extension")
        batch_op.drop_index(
            "ix_extension_dead_letters_asked",
            sqlite_where=sa.text("redelivering"),
            postgresql_where=sa.text("redelivering"),
        )

    op.drop_table("extension_dead_letters")
    op.drop_table("extension_subscriptions")
    op.drop_table("extension_leases")
