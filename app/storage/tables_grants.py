"""Grants: what tasks may do, and what was said to it; kept as long as their task."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from app.storage.columns import Document, Instant
from app.storage.tables import Id, metadata

grants = Table(
    "grants",
    metadata,
    Column("id", Id, primary_key=True),
    Column("task_id", Id, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("asked_by", String(100), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("permissions", Document, nullable=False),
    Column("until", Instant),
    Column("outside", String(8), nullable=False),
    Column("calls_per_day", Integer),
    Column("decided_by", String(100)),
    Column("decided_at", Instant),
    Column("comment", Text),
    Index("ix_grants_task", "task_id", "id"),
    Index("ix_grants_status", "status", "id"),
)
