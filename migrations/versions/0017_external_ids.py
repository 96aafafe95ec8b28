"""external ids"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("tasks", sa.Column("external_id", sa.String(length=200)))
    op.create_index("uq_tasks_external_id", "tasks", ["created_by", "external_id"], unique=True)


def downgrade() -> None:
    """Take it back."""
    op.drop_index("uq_tasks_external_id", table_name="tasks")
    op.drop_column("tasks", "external_id")
