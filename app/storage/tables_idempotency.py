"""The table of keys under which requests are carried out once."""

from __future__ import annotations

from sqlalchemy import Column, Index, SmallInteger, String, Table, Text

from app.storage.columns import Document, Instant
from app.storage.tables import metadata

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("agent", String(100), primary_key=True),
    Column("key", String(255), primary_key=True),
    # Method and address, and the SHA-256 of the body: asked otherwise under the same key, the request is refused.
    Column("target", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("holder", String(36), nullable=False),
    Column("status", SmallInteger),
    Column("headers", Document),
    Column("body", Text),
    Column("created_at", Instant, nullable=False),
    Column("locked_at", Instant),
    Index("ix_idempotency_keys_created_at", "created_at"),
)
