"""hooks"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "hooks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("preset", sa.String(length=16), nullable=False),
        sa.Column("tolerance", sa.Integer(), nullable=False),
        sa.Column("signature_header", sa.String(length=100)),
        sa.Column("id_header", sa.String(length=100)),
        sa.Column("topic", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hooks")),
    )
    op.create_index("uq_hooks_slug", "hooks", ["slug"], unique=True)
    op.create_index("ix_hooks_created_by", "hooks", ["created_by", "slug"])
    op.create_table(
        "hook_deliveries",
        sa.Column("hook_id", sa.String(length=36), nullable=False),
        sa.Column("delivery_id", sa.String(length=200), nullable=False),
        sa.Column("event_id", sa.String(length=40), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["hook_id"], ["hooks.id"], name=op.f("fk_hook_deliveries_hook_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hook_id", "delivery_id", name=op.f("pk_hook_deliveries")),
    )
    op.create_index(op.f("ix_hook_deliveries_received_at"), "hook_deliveries", ["received_at"])
    op.create_table(
        "signing_secrets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=100)),
        sa.Column("sealed", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_secrets")),
    )
    op.create_index(op.f("ix_signing_secrets_owner_id"), "signing_secrets", ["owner_id"])


def downgrade() -> None:
    """Take it back."""
    for table in ("signing_secrets", "hook_deliveries", "hooks"):
        op.drop_table(table)
