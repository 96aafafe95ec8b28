"""What is known of servers of the Model Context Protocol, in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Engine, delete, select, update
from sqlalchemy.engine import Connection

from app.domain.mcp import Known, Left, RemoteTool
from app.domain.runs import ENDED
from app.storage.engines import translated
from app.storage.inserts import insert_into
from app.storage.tables import runs
from app.storage.tables_mcp import mcp_errands, mcp_servers

_LEFT = (
    select(
        mcp_errands.c.run_id,
        mcp_errands.c.server,
        mcp_errands.c.task_id,
        mcp_errands.c.failed_at,
    )
    .select_from(mcp_errands.outerjoin(runs, runs.c.id == mcp_errands.c.run_id))
    .where(runs.c.id.is_(None) | runs.c.status.in_(sorted(ENDED)))
    .order_by(mcp_errands.c.created_at)
)
_ALL = select(mcp_servers).order_by(mcp_servers.c.name)


class SqlMcpStore:
    """See `app.domain.mcp.McpStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Known]:
        """By name."""
        return [_known(row) for row in self._connection.execute(_ALL).mappings()]

    def get(self, name: str, *, lock: bool = False) -> Known | None:
        """Of one server."""
        query = _ALL.where(mcp_servers.c.name == name)
        row = self._connection.execute(query.with_for_update() if lock else query).mappings().first()
        return None if row is None else _known(row)

    def save(self, known: Known) -> None:
        """Whether it is new or not."""
        values = {
            "name": known.name,
            "tools": orjson.dumps([asdict(tool) for tool in known.tools]).decode(),
            "protocol": known.protocol,
            "checked_at": known.checked_at,
            "changed_at": known.changed_at,
            "error": known.error,
            "drifted": orjson.dumps(dict(known.drifted)).decode(),
        }
        statement = insert_into(mcp_servers, self._connection.dialect.name)
        changed = {name: statement.excluded[name] for name in values if name != "name"}
        self._connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed), values)

    def forget(self, names: Sequence[str]) -> None:
        """Remove these."""
        self._connection.execute(delete(mcp_servers).where(mcp_servers.c.name.in_(names)))

    def left(self, limit: int) -> list[Left]:
        """The oldest first."""
        rows = self._connection.execute(_LEFT.limit(limit)).all()
        return [
            Left(run_id=run_id, server=server, task_id=task_id, failed_at=failed_at)
            for run_id, server, task_id, failed_at in rows
        ]

    def settled(self, left: Left) -> None:
        """Its row goes."""
        self._connection.execute(delete(mcp_errands).where(*_row_of(left)))

    def failed(self, left: Left, at: datetime) -> None:
        """The first time counts."""
        first = (*_row_of(left), mcp_errands.c.failed_at.is_(None))
        self._connection.execute(update(mcp_errands).where(*first).values(failed_at=at))


def _row_of(left: Left) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return mcp_errands.c.run_id == left.run_id, mcp_errands.c.task_id == left.task_id


def known_servers(engine: Engine) -> list[Known]:
    """All of them, read beside any unit of work that may be open: the registry is asked from within some."""
    with translated(), engine.connect().execution_options(read_only=True) as connection:
        return SqlMcpStore(connection).all()


def _known(row: Mapping[Any, Any]) -> Known:
    told = dict(row)
    tools = tuple(RemoteTool(**one) for one in orjson.loads(told.pop("tools")))
    return Known(tools=tools, drifted=orjson.loads(told.pop("drifted")), **told)
