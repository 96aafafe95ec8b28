"""What is known of servers of the Model Context Protocol, and what runs have left to them."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Text

from app.storage.columns import Instant
from app.storage.tables import Id, metadata

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

mcp_errands = Table(
    "mcp_errands",
    metadata,
    # The run that has waited for it, which may be gone: then nobody wants it any more.
    Column("run_id", Id, primary_key=True),
    Column("task_id", Text, primary_key=True),
    Column("server", String(63), nullable=False),
    Column("created_at", Instant, nullable=False),
    # Since when the server cannot be told that nobody wants it.
    Column("failed_at", Instant),
)
"""Tasks of servers that runs have waited for."""
