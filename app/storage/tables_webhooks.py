"""The tables of webhooks in both directions."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from app.storage.columns import Instant
from app.storage.tables import Id, metadata

hooks = Table(
    "hooks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("slug", String(64), nullable=False),
    Column("preset", String(16), nullable=False),
    Column("tolerance", Integer, nullable=False),
    Column("signature_header", String(100)),
    Column("id_header", String(100)),
    Column("topic", String(200), nullable=False),
    Column("description", String(500), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("uq_hooks_slug", "slug", unique=True),
    Index("ix_hooks_created_by", "created_by", "slug"),
)

# Which deliveries have become events: the same one again has no effect.
hook_deliveries = Table(
    "hook_deliveries",
    metadata,
    Column("hook_id", Id, ForeignKey("hooks.id", ondelete="CASCADE"), primary_key=True),
    Column("delivery_id", String(200), primary_key=True),
    Column("event_id", String(40), nullable=False),
    Column("received_at", Instant, nullable=False, index=True),
)

# Of hooks and of webhooks: a value of its own, encrypted, or the name of one in `secrets`.
signing_secrets = Table(
    "signing_secrets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner_id", Id, nullable=False, index=True),
    Column("name", String(100)),
    Column("sealed", Text),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
)
