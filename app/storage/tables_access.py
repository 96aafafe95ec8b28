"""Tables of agents, their tokens and keys, the audit log and secrets."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from app.storage.columns import Document, Instant
from app.storage.tables import Id, metadata

agents = Table(
    "agents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("description", String(500), nullable=False),
    Column("scopes", Document, nullable=False),
    Column("status", String(16), nullable=False),
    Column("secret_hash", String(200), nullable=False),
    Column("token_version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("uq_agents_name", "name", unique=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("agent_id", Id, ForeignKey("agents.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("refresh_jti", Id, nullable=False),
    Column("scopes", Document),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("revoked_at", Instant),
    # Of a program that acts by OAuth; it is no foreign key, since sessions outlive what programs say of themselves.
    Column("client_id", Text, index=True),
    Column("audience", Text),
)

oauth_clients = Table(
    "oauth_clients",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("redirect_uris", Document, nullable=False),
    Column("auth_method", String(32), nullable=False),
    Column("grant_types", Document, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("secret_hash", String(64)),
    Column("uri", Text),
    Column("fetched_at", Instant),
)

oauth_codes = Table(
    "oauth_codes",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("agent_id", Id, ForeignKey("agents.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("redirect_uri", Text, nullable=False),
    Column("scopes", Document, nullable=False),
    Column("audience", Text, nullable=False),
    Column("challenge", String(128), nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("session_id", Id),
)

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    Column("jti", Id, primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("agent_id", Id, ForeignKey("agents.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(100), nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("scopes", Document, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Index("uq_api_keys_key_hash", "key_hash", unique=True),
)

stream_tickets = Table(
    "stream_tickets",
    metadata,
    Column("ticket_hash", String(64), primary_key=True),
    Column("agent_id", String(100), nullable=False),
    Column("scopes", Document, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)

audit = Table(
    "audit",
    metadata,
    # Without a gap: the chain counts its rows.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("actor", String(100), nullable=False),
    Column("action", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("target", String(200), nullable=False),
    Column("before", Document),
    Column("after", Document),
    Column("request_id", String(128)),
    Column("key_id", String(16), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_audit_target", "kind", "target", "number"),
    Index("ix_audit_actor", "actor", "number"),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", String(100), nullable=False),
)
