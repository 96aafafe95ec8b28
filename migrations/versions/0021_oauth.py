"""programs that act for agents by OAuth"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "oauth_clients",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("redirect_uris", sa.Text(), nullable=False),
        sa.Column("auth_method", sa.String(length=32), nullable=False),
        sa.Column("grant_types", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        sa.Column("secret_hash", sa.String(length=64)),
        sa.Column("uri", sa.Text()),
        sa.Column("fetched_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_clients")),
    )
    op.create_table(
        "oauth_codes",
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("challenge", sa.String(length=128), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.String(length=36)),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_oauth_codes_agent_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_oauth_codes")),
    )
    op.create_index(op.f("ix_oauth_codes_agent_id"), "oauth_codes", ["agent_id"])
    op.create_index(op.f("ix_oauth_codes_expires_at"), "oauth_codes", ["expires_at"])
    with op.batch_alter_table("sessions") as table:
        table.add_column(sa.Column("client_id", sa.Text()))
        table.add_column(sa.Column("audience", sa.Text()))
        table.create_index(op.f("ix_sessions_client_id"), ["client_id"])


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("sessions") as table:
        table.drop_index(op.f("ix_sessions_client_id"))
        table.drop_column("audience")
        table.drop_column("client_id")
    op.drop_table("oauth_codes")
    op.drop_table("oauth_clients")
