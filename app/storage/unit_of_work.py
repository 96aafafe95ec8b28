"""One transaction as an object: stores inside it, and what follows once it stands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from app.storage.engines import translated
from app.storage.runs import SqlRunStore
from app.storage.tasks import SqlTaskStore


class SqlUnitOfWork:
    """A transaction in progress; see `app.domain.ports.UnitOfWork`."""

    def __init__(self, connection: Connection) -> None:
        self.tasks = SqlTaskStore(connection)
        self.runs = SqlRunStore(connection)
        self.actions: list[Callable[[], None]] = []

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` once the transaction stands."""
        self.actions.append(action)


class SqlUnitsOfWork:
    """Opens transactions on an engine; see `app.domain.ports.UnitsOfWork`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def __call__(self, *, read_only: bool = False) -> Iterator[SqlUnitOfWork]:
        """A transaction; on SQLite a writing one holds the write lock from its start."""
        with translated(), self._engine.connect() as plain:
            connection = plain.execution_options(read_only=read_only)
            with connection.begin():
                unit = SqlUnitOfWork(connection)
                yield unit
        for action in unit.actions:
            action()

    def changes(self, run_ids: Collection[str]) -> dict[str, tuple[int, str]]:
        """Length of the journal and status of each of these runs that exists: one query, whatever their number."""
        with self(read_only=True) as unit:
            return unit.runs.changes(run_ids)
