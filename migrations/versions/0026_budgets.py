"""budgets"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("grants", sa.Column("calls_per_day", sa.Integer()))
    op.create_table(
        "budgets",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("agent_id", sa.String(length=100)),
        sa.Column("task_id", sa.String(length=36)),
        sa.Column("tool", sa.String(length=128)),
        sa.Column("unit", sa.String(length=8), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=False),
        sa.Column("soft", sa.BigInteger()),
        sa.Column("hard", sa.BigInteger()),
        sa.Column("beyond", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_budgets")),
    )
    op.create_table(
        "budget_counts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("told", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "starts_at", name=op.f("pk_budget_counts")),
    )
    op.create_index("ix_budget_counts_starts", "budget_counts", ["starts_at"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("budget_counts")
    op.drop_table("budgets")
    op.drop_column("grants", "calls_per_day")
