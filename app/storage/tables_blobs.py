"""Large pieces of outputs, which go with their runs."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, String, Table

from app.storage.columns import Instant
from app.storage.tables import Id, metadata

run_blobs = Table(
    "run_blobs",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("step_id", String(100), nullable=False),
    Column("media_type", String(200), nullable=False),
    Column("size", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
