"""depth of runs and tasks"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    for table in ("tasks", "runs"):
        op.add_column(table, sa.Column("depth", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    """Take it back."""
    for table in ("tasks", "runs"):
        op.drop_column(table, "depth")
