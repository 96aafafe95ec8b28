"""The schema; migrations follow it, and `alembic check` holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TextClause,
    text,
)

from app.storage.columns import Document, Instant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = String(36)


def partial(name: str, *columns: str, where: TextClause, unique: bool = False) -> Index:
    """An index over some rows, on both databases.

    What PostgreSQL is to know of it is added by `migrations/env.py`: to say it here would load SQLAlchemy's half for
    PostgreSQL, which takes as long as Flask, into every process on SQLite.
    """
    return Index(name, *columns, unique=unique, sqlite_where=where, info={"where": where})


TRIGGERS = text("status = 'active' AND schedule_kind IN ('event', 'condition')")
"""Tasks that events may start; as written, not bound, so that the partial index answers it."""
WATCHED = text("expect IS NOT NULL AND watched_since IS NOT NULL")
"""Tasks of which something is expected."""
DRIFTED = text("drift IS NOT NULL")
"""Tasks that no longer fit the tools of a server."""

tasks = Table(
    "tasks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("description", String(2000), nullable=False),
    Column("schedule_kind", String(16), nullable=False),
    Column("schedule_expr", String(2000)),
    Column("timezone", String(64), nullable=False),
    Column("payload", Document, nullable=False),
    Column("status", String(16), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("max_retries", SmallInteger, nullable=False),
    Column("backoff_strategy", String(32), nullable=False),
    Column("backoff_seconds", Integer, nullable=False),
    Column("timeout_seconds", Integer, nullable=False),
    Column("overlap", String(16), nullable=False),
    Column("concurrency_key", String(500)),
    Column("concurrency_limit", SmallInteger, nullable=False, server_default="1"),
    Column("dedupe_key", String(500)),
    Column("dedupe_window_seconds", Integer),
    Column("debounce_seconds", Integer),
    Column("debounce_max_wait_seconds", Integer),
    Column("expect", Document),
    Column("watched_since", Instant),
    Column("misfire", String(16), nullable=False),
    Column("misfire_grace_seconds", Integer, nullable=False),
    Column("catchup_window_seconds", Integer, nullable=False),
    Column("catchup_max", Integer, nullable=False),
    Column("jitter_seconds", Integer, nullable=False),
    Column("starts_at", Instant),
    Column("ends_at", Instant),
    Column("max_runs", Integer),
    Column("pause_after_failures", Integer),
    Column("tags", Document, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
    Column("anchor_at", Instant, nullable=False),
    Column("next_run_at", Instant),
    Column("next_due_at", Instant),
    Column("snoozed_until", Instant),
    Column("snooze_reason", String(500)),
    Column("fired_count", Integer, nullable=False),
    Column("definition_id", Id, nullable=False),
    # How many events and runs have led to it.
    Column("depth", SmallInteger, nullable=False, server_default=text("0")),
    Column("external_id", String(200)),
    Column("expose_as_tool", String(64)),
    Column("params_schema", Document),
    # What no longer fits the tools of a server; NULL where all does.
    Column("drift", Document),
    Column("grant_status", String(16)),
    Column("granted_until", Instant),
    partial("ix_tasks_due", "next_due_at", where=text("next_due_at IS NOT NULL")),
    partial("ix_tasks_triggers", "schedule_kind", "id", where=TRIGGERS),
    partial("ix_tasks_watched", "id", where=WATCHED),
    partial("ix_tasks_drifted", "id", where=DRIFTED),
    Index("ix_tasks_status", "status", "id"),
    Index("ix_tasks_created_by", "created_by", "id"),
    # Null is equal to nothing: only those that have one are kept apart.
    Index("uq_tasks_external_id", "created_by", "external_id", unique=True),
    Index("uq_tasks_expose_as_tool", "created_by", "expose_as_tool", unique=True),
)

task_tags = Table(
    "task_tags",
    metadata,
    Column("task_id", Id, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", String(50), primary_key=True),
    Index("ix_task_tags_tag", "tag", "task_id"),
)

definitions = Table(
    "definitions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("task_id", Id, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("document", Document, nullable=False),
    Column("created_at", Instant, nullable=False),
)

occurrences = Table(
    "occurrences",
    metadata,
    Column("task_id", Id, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("nominal_at", Instant, primary_key=True),
    Column("effective_at", Instant, nullable=False),
    Column("outcome", String(24), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("run_id", Id),
)

_queued = text("status = 'queued'")
OPEN = text("status = 'queued' AND gate = 0")
_running = text("status = 'running'")
_failed = text("status = 'failed'")
# As written, not bound: only so does SQLite see that the partial index answers it.
BUSY = text("status IN ('queued', 'running', 'waiting')")

AT_WORK = text(f"gate <> 1 AND part IS NULL AND trigger <> 'backfill' AND {BUSY.text}")
HOLDING = text(f"concurrency_key IS NOT NULL AND gate = 0 AND {BUSY.text}")
IN_TASK_LINE = text("gate = 1 AND status = 'queued'")
IN_KEY_LINE = text("gate = 2 AND status = 'queued'")
SUPERSEDING = text("gate = 1 AND status = 'queued' AND in_line = 2")
LATER = text("gate = 3 AND status = 'queued'")
STOPPING = text("cancel_requested_at IS NOT NULL AND status IN ('queued', 'waiting')")

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("task_id", Id, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("definition_id", Id, nullable=False),
    Column("trigger", String(16), nullable=False),
    # What asked for the run, where asking twice must give one run.
    Column("origin", String(255)),
    Column("status", String(16), nullable=False),
    Column("nominal_at", Instant),
    Column("scheduled_for", Instant, nullable=False),
    Column("available_at", Instant, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    # Order of claiming: available_at plus a minute for each step of priority, so that waiting outranks it.
    Column("rank", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("lease_owner", String(100)),
    Column("leased_until", Instant),
    Column("cancel_requested_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    # Microseconds in the hands of workers, for the run's time limit: waiting is not counted.
    Column("active_us", BigInteger, nullable=False),
    # Length of the journal at the last claim, and deaths of workers that cost no attempt: see the ledger's rescue.
    Column("claimed_length", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("params", Document),
    Column("error", Document),
    Column("output", Text),
    Column("journal_length", Integer, nullable=False),
    Column("request_id", String(128)),
    # The event that started it, whole: runs outlive events.
    Column("event", Document),
    # The run that started it, or that it repeats; and which piece of that one's work it is, if it is no run of its own.
    Column("parent_run_id", Id),
    Column("part", Document),
    # How many others may be at work at the same time.
    Column("concurrency_key", String(200)),
    Column("concurrency_limit", SmallInteger),
    # 1: the runs of its task go one at a time; 2: and those before it are cancelled.
    Column("in_line", SmallInteger, nullable=False, server_default="0"),
    # What holds it back (app.storage.gates): 0 nothing, 1 its task's line, 2 its key's line, 3 it will stand there once
    # it is due, 4 it waits and has given its key up.
    Column("gate", SmallInteger, nullable=False, server_default="0"),
    Column("depth", SmallInteger, nullable=False, server_default=text("0")),
    partial("ix_runs_ready", "rank", "available_at", where=_queued),
    partial("ix_runs_available", "available_at", where=OPEN),
    partial("ix_runs_leased", "leased_until", where=_running),
    partial("ix_runs_failed", "id", where=_failed),
    partial("ix_runs_at_work", "task_id", where=AT_WORK),
    partial("ix_runs_task_line", "task_id", "rank", "id", where=IN_TASK_LINE),
    partial("ix_runs_key_line", "concurrency_key", "rank", "id", where=IN_KEY_LINE),
    partial("ix_runs_later", "available_at", where=LATER),
    partial("ix_runs_holding", "concurrency_key", where=HOLDING),
    partial("ix_runs_superseding", "task_id", where=SUPERSEDING),
    partial("ix_runs_stopping", "id", where=STOPPING),
    partial("ix_runs_parent", "parent_run_id", where=text("parent_run_id IS NOT NULL")),
    Index("ix_runs_task", "task_id", "id"),
    Index("ix_runs_scheduled", "scheduled_for"),
    Index("uq_runs_origin", "origin", unique=True),
)

# A run's history, append only: one row a commit, each with the records that this commit adds.
run_journal = Table(
    "run_journal",
    metadata,
    Column("run_id", Id, primary_key=True),
    Column("first", Integer, primary_key=True),
    Column("last", Integer, nullable=False),
    Column("records", Text, nullable=False),
)
