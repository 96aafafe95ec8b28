"""The tables of what extensions do on the worker side."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, text

from app.storage.columns import Document, Instant
from app.storage.tables import Id, metadata, partial

ExtensionId = String(64)
Pattern = String(500)
EventId = String(40)

extension_leases = Table(
    "extension_leases",
    metadata,
    Column("extension_id", ExtensionId, primary_key=True),
    Column("owner", String(100)),
    Column("fence", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    # Fingerprint of the code that last took it.
    Column("version", String(100), nullable=False),
    Column("leased_until", Instant),
    Column("taken_at", Instant),
    Column("restart_at", Instant),
    Column("crashes", Integer, nullable=False),
    Column("error", Text),
)

extension_subscriptions = Table(
    "extension_subscriptions",
    metadata,
    Column("extension_id", ExtensionId, primary_key=True),
    Column("pattern", Pattern, primary_key=True),
    Column("cursor", EventId, nullable=False),
    Column("event_id", EventId),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
)

_asked_for = text("redelivering")

extension_dead_letters = Table(
    "extension_dead_letters",
    metadata,
    Column("id", Id, primary_key=True),
    Column("extension_id", ExtensionId, nullable=False),
    Column("pattern", Pattern, nullable=False),
    Column("event_id", EventId, nullable=False),
    Column("topic", String(255), nullable=False),
    # The whole event: its own row may be gone by the time somebody looks.
    Column("event", Document, nullable=False),
    Column("error", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("redelivering", Boolean, nullable=False),
    Index("ix_extension_dead_letters_extension", "extension_id", "id"),
    partial("ix_extension_dead_letters_asked", "extension_id", "id", where=_asked_for),
)

extension_tasks = Table(
    "extension_tasks",
    metadata,
    Column("extension_id", ExtensionId, primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("owner", String(100)),
    Column("started_at", Instant),
    Column("restarts", Integer, nullable=False),
    Column("error", Text),
    Column("stop_asked", Boolean, nullable=False),
)

extension_loads = Table(
    "extension_loads",
    metadata,
    Column("process", String(100), primary_key=True),
    Column("expires_at", Instant, nullable=False),
    # A JSON list of `app.domain.extension_loads.Load`.
    Column("loads", Text, nullable=False),
)
