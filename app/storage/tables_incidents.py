"""The table of incidents."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, text

from app.storage.columns import Instant
from app.storage.tables import Id, metadata, partial

OPEN_INCIDENTS = text("resolved_at IS NULL")

incidents = Table(
    "incidents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("task_id", Id, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("limit_seconds", Integer, nullable=False),
    Column("counted_from", Instant, nullable=False),
    Column("breached_at", Instant, nullable=False),
    Column("run_id", Id),
    Column("opened_at", Instant, nullable=False),
    Column("resolved_at", Instant, index=True),
    Column("resolution", String(16)),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", String(100)),
    Column("note", String(500)),
    Index("ix_incidents_task", "task_id", "id"),
    # However many judge at the same time, one of them opens it.
    partial("uq_incidents_open", "task_id", "kind", where=OPEN_INCIDENTS, unique=True),
)
