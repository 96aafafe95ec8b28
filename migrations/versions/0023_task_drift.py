"""tasks that no longer fit the tools of a server"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

DRIFTED = sa.text("drift IS NOT NULL")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("tasks", sa.Column("drift", sa.Text()))
    op.create_index("ix_tasks_drifted", "tasks", ["id"], sqlite_where=DRIFTED, postgresql_where=DRIFTED)


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_tasks_drifted", "tasks")
    op.drop_column("tasks", "drift")
