"""approvals"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("step_id", sa.String(length=100), nullable=False),
        sa.Column("item", sa.Integer()),
        sa.Column("wait_id", sa.String(length=36), nullable=False),
        sa.Column("asked_by", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", sa.Text()),
        sa.Column("form", sa.Text()),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("approvers", sa.Text(), nullable=False),
        sa.Column("deny_self", sa.Integer(), nullable=False),
        sa.Column("fail_on", sa.Text(), nullable=False),
        sa.Column("on_timeout", sa.String(length=50), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("decision", sa.String(length=50)),
        sa.Column("filled", sa.Text()),
        sa.Column("comment", sa.Text()),
        sa.Column("decided_by", sa.String(length=100)),
        sa.Column("decided_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_approvals_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    op.create_index("uq_approvals_wait_id", "approvals", ["wait_id"], unique=True)
    op.create_index("ix_approvals_status", "approvals", ["status", "id"])
    op.create_index("ix_approvals_task", "approvals", ["task_id", "id"])
    op.create_index(op.f("ix_approvals_run_id"), "approvals", ["run_id"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("approvals")
