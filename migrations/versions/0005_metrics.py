"""metrics"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "metric_totals",
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", name=op.f("pk_metric_totals")),
    )
    op.create_table(
        "metric_reports",
        sa.Column("process", sa.String(length=100), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("gauges", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_metric_reports")),
    )
    op.create_index("ix_metric_reports_expires_at", "metric_reports", ["expires_at"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("metric_reports")
    op.drop_table("metric_totals")
