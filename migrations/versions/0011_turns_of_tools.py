"""turns of tools"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "tool_gates",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hint_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "seconds", name=op.f("pk_tool_gates")),
    )
    op.create_table(
        "tool_calls",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "seconds", "slot", name=op.f("pk_tool_calls")),
    )
    op.create_table(
        "tool_turns",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("fence", sa.Integer()),
        sa.Column("held_until", sa.BigInteger()),
        sa.Column("asked_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("name", "holder", name=op.f("pk_tool_turns")),
    )
    waiting = sa.text("asked_at IS NOT NULL")
    op.create_index(
        "ix_tool_turns_waiting",
        "tool_turns",
        ["name", "asked_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("tool_turns")
    op.drop_table("tool_calls")
    op.drop_table("tool_gates")
