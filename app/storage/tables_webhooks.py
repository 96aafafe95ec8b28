"""The tables of webhooks in both directions."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, text

from app.storage.columns import Instant
from app.storage.tables import Id, metadata, partial

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

PENDING = "status = 'pending'"

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("url", String(2000), nullable=False),
    Column("topics", String(2000), nullable=False),
    Column("description", String(500), nullable=False),
    Column("enabled", Boolean, nullable=False),
    # Position of the newest event when it was switched on.
    Column("since", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failing_since", Instant),
    Column("trouble", String(16)),
    Column("created_by", String(100), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("webhook_id", Id, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", String(40)),
    Column("topic", String(200), nullable=False),
    # Byte for byte what is signed and sent, each time the same.
    Column("body", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    # When it is due; while it is being sent, when its sender is given up.
    Column("next_at", Instant),
    Column("created_at", Instant, nullable=False, index=True),
    Column("finished_at", Instant),
    Index("ix_webhook_deliveries_webhook", "webhook_id", "id"),
    partial("ix_webhook_deliveries_due", "next_at", where=text(PENDING)),
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("delivery_id", Id, ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("ms", Integer, nullable=False),
    Column("status_code", Integer),
    Column("error", String(500)),
    Column("excerpt", String(300), nullable=False),
)
