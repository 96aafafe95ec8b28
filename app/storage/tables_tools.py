"""Turns: what limits of tools have let through, what is under way, and who waits."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table, text

from app.storage.columns import Instant
from app.storage.tables import metadata, partial

# One row for each rate of a limit, and one, with 0 seconds, for its calls under way: whoever asks locks it first.
tool_gates = Table(
    "tool_gates",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("seconds", Integer, primary_key=True),
    # Calls so far.
    Column("position", BigInteger, nullable=False),
    # When the last of those that were sent away is to come back.
    Column("hint_at", Instant, nullable=False),
)

# A ring for each rate: the last calls, as many as it lets through.
tool_calls = Table(
    "tool_calls",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("seconds", Integer, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
)

# Calls under way, and runs that wait until one has ended. A run's call is under way for as long as it runs under the
# fence, any other until `held_until`; a run that waits has `asked_at`, and `held_until` once it has been called in.
tool_turns = Table(
    "tool_turns",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("holder", String(64), primary_key=True),
    Column("fence", Integer),
    Column("held_until", Instant),
    Column("asked_at", Instant),
    partial("ix_tool_turns_waiting", "name", "asked_at", where=text("asked_at IS NOT NULL")),
)
