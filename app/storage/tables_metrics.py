"""The tables of what is measured."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, String, Table, Text

from app.storage.columns import Instant
from app.storage.tables import metadata

metric_totals = Table(
    "metric_totals",
    metadata,
    Column("name", String(120), primary_key=True),
    # A JSON object with the labels in the order of their family: the same text for the same series.
    Column("labels", Text, primary_key=True),
    Column("value", Double, nullable=False),
)

metric_reports = Table(
    "metric_reports",
    metadata,
    Column("process", String(100), primary_key=True),
    Column("expires_at", Instant, nullable=False),
    # A JSON list of [name, labels, value].
    Column("gauges", Text, nullable=False),
    Index("ix_metric_reports_expires_at", "expires_at"),
)
