"""The table of what is known of servers of the Model Context Protocol."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Text

from app.storage.columns import Instant
from app.storage.tables import metadata

mcp_servers = Table(
    "mcp_servers",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("tools", Text, nullable=False),
    Column("protocol", String(32)),
    Column("checked_at", Instant),
    Column("changed_at", Instant),
    Column("error", String(500)),
    Column("drifted", Text, nullable=False),
)
"""`tools` and `drifted` are JSON."""
