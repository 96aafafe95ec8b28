"""Backfills, with a row for each of their dates."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, text

from app.storage.columns import Instant
from app.storage.tables import Id, metadata, partial

backfills = Table(
    "backfills",
    metadata,
    Column("id", Id, primary_key=True),
    Column("task_id", Id, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("definition_id", Id, nullable=False),
    Column("start", Instant, nullable=False),
    Column("end", Instant, nullable=False),
    Column("max_parallel", Integer, nullable=False),
    Column("reprocess", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("total", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Index("ix_backfills_task", "task_id", "id"),
    partial("ix_backfills_open", "id", where=text("finished_at IS NULL")),
)

backfill_dates = Table(
    "backfill_dates",
    metadata,
    Column("backfill_id", Id, ForeignKey("backfills.id", ondelete="CASCADE"), primary_key=True),
    Column("nominal_at", Instant, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("run_id", Id),
    Index("ix_backfill_dates_status", "backfill_id", "status", "nominal_at"),
)
