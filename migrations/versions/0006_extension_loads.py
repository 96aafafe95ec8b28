"""extension loads"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "extension_loads",
        sa.Column("process", sa.String(length=100), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("loads", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_extension_loads")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("extension_loads")
