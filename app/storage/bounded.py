"""PostgreSQL connections whose waiting has an end even when the server has frozen.

The server's own time limits do not help when it is the server that stands still, nor do those of TCP: the kernel of a
frozen process goes on to acknowledge what it is sent, and a UNIX socket knows no such limits at all.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import cache
from typing import Any

from sqlalchemy import Engine, event

_ACTIVE = 1  # libpq's PQTRANS_ACTIVE: a command is in progress
LIMIT_SECONDS = 15.0
"""More than `statement_timeout`: a server that is alive has given its answer by then."""


def bound(engine: Engine) -> None:
    """Give every connection of the engine that limit."""

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _entry: Any, args: Any, options: Any) -> Any:
        return _bounded(engine.dialect.loaded_dbapi.Connection).connect(*args, **options)


@cache
def _bounded(base: Any) -> Any:
    """psycopg's connection with another `wait`; made when needed, since a process on SQLite does not load psycopg."""

    class Bounded(base):  # type: ignore[misc]
        """A connection that hangs up when the server keeps it waiting."""

        def wait(self, gen: Generator[Any, Any, Any], interval: float = 0.1, timeout: float | None = None) -> Any:
            """Psycopg's own, with a limit where the caller set none; what is left unanswered ends the connection."""
            try:
                return super().wait(gen, interval, LIMIT_SECONDS if timeout is None else timeout)
            except base.OperationalError:
                if timeout is None and self.pgconn.transaction_status == _ACTIVE:
                    self.pgconn.finish()
                raise

    return Bounded
