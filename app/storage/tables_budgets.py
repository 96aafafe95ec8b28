"""Budgets, and what has been used of them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, SmallInteger, String, Table

from app.storage.columns import Instant
from app.storage.tables import Id, metadata

budgets = Table(
    "budgets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("agent_id", String(100)),
    Column("task_id", Id),
    Column("tool", String(128)),
    Column("unit", String(8), nullable=False),
    Column("period", String(8), nullable=False),
    Column("soft", BigInteger),
    Column("hard", BigInteger),
    Column("beyond", String(8), nullable=False),
)

# Also of the daily calls that grants allow, which are no budgets of their own.
budget_counts = Table(
    "budget_counts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("starts_at", Instant, primary_key=True),
    Column("used", BigInteger, nullable=False),
    Column("told", SmallInteger, nullable=False),
    Index("ix_budget_counts_starts", "starts_at"),
)
