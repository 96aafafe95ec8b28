"""The tables of limits: keys of accepted runs, and bursts of events that wait for quiet."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from app.storage.columns import Instant
from app.storage.tables import Id, metadata

dedupe_keys = Table(
    "dedupe_keys",
    metadata,
    Column("task_id", Id, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(200), primary_key=True),
    # The run may be gone before the key.
    Column("run_id", Id, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_dedupe_keys_expires", "expires_at"),
)

# One burst a task, with its last event.
debounces = Table(
    "debounces",
    metadata,
    Column("task_id", Id, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("first_at", Instant, nullable=False),
    Column("fire_at", Instant, nullable=False),
    Column("event_id", String(40), nullable=False),
    Column("topic", String(200), nullable=False),
    Column("data", Text, nullable=False),
    Column("published_at", Instant, nullable=False),
    Column("source", String(100), nullable=False),
    Column("depth", Integer, nullable=False),
    Index("ix_debounces_fire", "fire_at"),
)
