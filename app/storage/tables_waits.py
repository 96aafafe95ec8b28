"""Waits: what runs without a worker wait for. A row goes when its wait ends; the journal keeps what became of it."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, String, Table, text

from app.storage.columns import Document, Instant
from app.storage.tables import Id, metadata, partial

waits = Table(
    "waits",
    metadata,
    Column("id", Id, primary_key=True),
    # One at a time for each run.
    Column("run_id", Id, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("step_id", String(100), nullable=False),
    Column("uses", String(128)),
    Column("attempt", Integer, nullable=False),
    Column("item", Integer),
    Column("kind", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant),
    # What it ends with when it is due.
    Column("due_result", Document),
    # The pattern of an event, what its topics have in common, and whether the platform itself may tell of it: 1 or 0.
    Column("topic", String(2000)),
    Column("head", String(201)),
    Column("platform", Integer),
    Column("matching", Document),
    Column("child_run_id", Id),
    # Parts of a fan-out that have not ended, and those that failed.
    Column("remaining", Integer),
    Column("failed", Integer),
    partial("ix_waits_due", "due_at", where=text("due_at IS NOT NULL")),
    partial("ix_waits_event", "head", where=text("kind = 'event'")),
    partial("ix_waits_platform", "platform", where=text("platform = 1")),
    partial("ix_waits_child", "child_run_id", where=text("child_run_id IS NOT NULL")),
)
