"""tasks as tools"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("tasks", sa.Column("expose_as_tool", sa.String(length=64)))
    op.add_column("tasks", sa.Column("params_schema", sa.Text()))
    op.create_index("uq_tasks_expose_as_tool", "tasks", ["created_by", "expose_as_tool"], unique=True)


def downgrade() -> None:
    """Take it back."""
    op.drop_index("uq_tasks_expose_as_tool", table_name="tasks")
    op.drop_column("tasks", "params_schema")
    op.drop_column("tasks", "expose_as_tool")
