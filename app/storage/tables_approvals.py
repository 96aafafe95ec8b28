"""Approvals: what runs ask of people; kept as long as their run."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from app.storage.columns import Document, Instant
from app.storage.tables import Id, metadata

approvals = Table(
    "approvals",
    metadata,
    Column("id", Id, primary_key=True),
    # The run that people see; the one that waits may be a part of it.
    Column("run_id", Id, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("task_id", Id, nullable=False),
    Column("step_id", String(100), nullable=False),
    Column("item", Integer),
    Column("wait_id", Id, nullable=False),
    Column("asked_by", String(100), nullable=False),
    Column("title", String(200), nullable=False),
    Column("message", Text, nullable=False),
    Column("data", Document),
    Column("form", Document),
    Column("options", Document, nullable=False),
    Column("approvers", Document, nullable=False),
    Column("deny_self", Integer, nullable=False),
    Column("fail_on", Document, nullable=False),
    Column("on_timeout", String(50), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("decision", String(50)),
    Column("filled", Document),
    Column("comment", Text),
    Column("decided_by", String(100)),
    Column("decided_at", Instant),
    Index("uq_approvals_wait_id", "wait_id", unique=True),
    Index("ix_approvals_status", "status", "id"),
    Index("ix_approvals_task", "task_id", "id"),
)

approval_links = Table(
    "approval_links",
    metadata,
    Column("id", Id, primary_key=True),
    Column("approval_id", Id, ForeignKey("approvals.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("agent_id", String(100), nullable=False),
    Column("scopes", Document),
    Column("option", String(50)),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
)
