"""The tables of events; they belong to the one `metadata` once this module is imported."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from app.storage.tables import metadata

events = Table(
    "events",
    metadata,
    # The id as one integer (app.domain.events): order of publishing, order of commits, order of the key.
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("topic", String(200), nullable=False),
    Column("data", Text, nullable=False),
    Column("source", String(100), nullable=False),
    Column("depth", Integer, nullable=False),
    # Whoever publishes twice under one key publishes once.
    Column("idempotency_key", String(300)),
    # Which tasks it started, as JSON: for those who publish it once more.
    Column("triggered", Text),
    Index("ix_events_topic", "topic", "position"),
    Index("uq_events_idempotency_key", "idempotency_key", unique=True),
)

# `last`: position of the newest event; its row is locked by whoever publishes, first of all locks and until the commit.
# `relayed`: up to where events are known to be in Redis. `trimmed`: up to where they have been deleted.
# `triggers`: a version that rises with every change of what events start.
event_marks = Table(
    "event_marks",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("position", BigInteger, nullable=False),
)
