"""One transaction as an object: stores inside it, and what follows once it stands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.engine import Connection, Transaction

from app.domain.audit_chain import Seal
from app.storage.agents import SqlAgentStore
from app.storage.approval_links import SqlApprovalLinkStore
from app.storage.approvals import SqlApprovalStore
from app.storage.audit import SqlAuditStore
from app.storage.backfills import SqlBackfillStore
from app.storage.blobs import SqlBlobStore
from app.storage.budgets import SqlBudgetStore
from app.storage.debounce import SqlDebounceStore
from app.storage.dedupe import SqlDedupeStore
from app.storage.engines import committing, translated
from app.storage.events import SqlEventStore
from app.storage.extension_loads import SqlLoadStore
from app.storage.extension_work import SqlExtensionWorkStore
from app.storage.gates import Gates
from app.storage.grants import SqlGrantStore
from app.storage.hooks import SqlHookStore, SqlSigningSecretStore
from app.storage.idempotency import SqlKeyStore
from app.storage.incidents import SqlIncidentStore
from app.storage.mcp import SqlMcpStore
from app.storage.metrics import SqlMetricStore
from app.storage.oauth import SqlOAuthStore
from app.storage.runs import SqlRunStore
from app.storage.secrets import SqlSecretStore
from app.storage.standings import SqlStandingStore
from app.storage.statements import ConnectionStatements
from app.storage.tasks import SqlTaskStore
from app.storage.tool_turns import SqlTurnStore
from app.storage.turns import passed
from app.storage.waits import SqlWaitStore
from app.storage.webhooks import SqlWebhookStore
from app.storage.wholes import OpenWhole


class SqlUnitOfWork:
    """A transaction in progress; see `app.domain.ports.UnitOfWork`."""

    def __init__(self, connection: Connection, seal: Seal) -> None:
        self.tasks = SqlTaskStore(connection)
        self.gates = Gates(ConnectionStatements(connection))
        self.runs = SqlRunStore(connection, self.gates)
        self.audit = SqlAuditStore(connection, seal)
        self._connection = connection
        self.actions: list[Callable[[], None]] = []

    @property
    def dedupe(self) -> SqlDedupeStore:
        """Keys under which runs were accepted."""
        return SqlDedupeStore(ConnectionStatements(self._connection))

    @property
    def standings(self) -> SqlStandingStore:
        """Where queued runs stand."""
        return SqlStandingStore(ConnectionStatements(self._connection))

    @property
    def debounces(self) -> SqlDebounceStore:
        """Bursts of events that wait for quiet."""
        return SqlDebounceStore(ConnectionStatements(self._connection))

    @property
    def extension_work(self) -> SqlExtensionWorkStore:
        """What extensions do on the worker side; few transactions ask for it."""
        return SqlExtensionWorkStore(self._connection)

    @property
    def extension_loads(self) -> SqlLoadStore:
        """What processes tell of the extensions they have loaded."""
        return SqlLoadStore(self._connection)

    @property
    def metrics(self) -> SqlMetricStore:
        """What is measured; see `app.domain.metrics`."""
        return SqlMetricStore(self._connection)

    @property
    def agents(self) -> SqlAgentStore:
        """Agents with their tokens and keys."""
        return SqlAgentStore(self._connection)

    @property
    def oauth(self) -> SqlOAuthStore:
        """Programs that people let act for them."""
        return SqlOAuthStore(self._connection)

    @property
    def secrets(self) -> SqlSecretStore:
        """Secrets as they are encrypted."""
        return SqlSecretStore(self._connection)

    @property
    def budgets(self) -> SqlBudgetStore:
        """How much may be used, and has been."""
        return SqlBudgetStore(ConnectionStatements(self._connection))

    @property
    def grants(self) -> SqlGrantStore:
        """What tasks may do."""
        return SqlGrantStore(self._connection)

    @property
    def backfills(self) -> SqlBackfillStore:
        """Backfills with their dates."""
        return SqlBackfillStore(self._connection)

    @property
    def hooks(self) -> SqlHookStore:
        """Webhooks in."""
        return SqlHookStore(self._connection)

    @property
    def webhooks(self) -> SqlWebhookStore:
        """Webhooks out."""
        return SqlWebhookStore(self._connection)

    @property
    def signing_secrets(self) -> SqlSigningSecretStore:
        """What webhooks in both directions are signed with, encrypted."""
        return SqlSigningSecretStore(self._connection)

    @property
    def mcp(self) -> SqlMcpStore:
        """What is known of servers of the Model Context Protocol."""
        return SqlMcpStore(self._connection)

    @property
    def blobs(self) -> SqlBlobStore:
        """Large pieces of outputs."""
        return SqlBlobStore(self._connection)

    @property
    def incidents(self) -> SqlIncidentStore:
        """Expectations that did not hold."""
        return SqlIncidentStore(self._connection)

    @property
    def keys(self) -> SqlKeyStore:
        """Keys under which requests are carried out once."""
        return SqlKeyStore(ConnectionStatements(self._connection))

    @property
    def waits(self) -> SqlWaitStore:
        """What runs wait for."""
        return SqlWaitStore(ConnectionStatements(self._connection))

    @property
    def tool_turns(self) -> SqlTurnStore:
        """Whose turn it is to call a tool."""
        return SqlTurnStore(ConnectionStatements(self._connection), self.gates)

    @property
    def approvals(self) -> SqlApprovalStore:
        """What runs ask of people."""
        return SqlApprovalStore(ConnectionStatements(self._connection))

    @property
    def approval_links(self) -> SqlApprovalLinkStore:
        """Links by which people decide."""
        return SqlApprovalLinkStore(self._connection)

    @property
    def events(self) -> SqlEventStore:
        """Events, on the same connection."""
        return SqlEventStore(ConnectionStatements(self._connection), self.gates)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` once the transaction stands."""
        self.actions.append(action)

    def finish(self) -> None:
        """Let runs through, and seal what was done: the last things in a transaction."""
        self.gates.admit()
        self.audit.write()


class SqlUnitsOfWork:
    """Opens transactions on an engine; see `app.domain.ports.UnitsOfWork`."""

    def __init__(self, engine: Engine, *, seal: Seal | None = None) -> None:
        self._engine = engine
        self._seal = seal or Seal()
        self._wholes = threading.local()

    @contextmanager
    def __call__(self, *, read_only: bool = False) -> Iterator[SqlUnitOfWork]:
        """A transaction; on SQLite a writing one holds the write lock from its start.

        On PostgreSQL a reading one sees, statement by statement, what has been committed, as it would in a transaction
        at READ COMMITTED; so it does without the two round trips that frame one.
        """
        whole: OpenWhole[SqlUnitOfWork] | None = getattr(self._wholes, "open", None)
        if whole is not None:
            with whole.part() as unit:
                yield unit
            return
        with self._transaction(read_only=read_only) as (connection, transaction):
            unit = SqlUnitOfWork(connection, self._seal)
            yield unit
            unit.finish()
            with committing():
                transaction.commit()
        for action in unit.actions:
            action()

    @contextmanager
    def whole(self) -> Iterator[OpenWhole[SqlUnitOfWork]]:
        """Until the block ends, this thread's units of work are one transaction, which then is committed."""
        with self._transaction(read_only=False) as (connection, transaction):
            whole = OpenWhole(connection, lambda joined: SqlUnitOfWork(joined, self._seal))
            self._wholes.open = whole
            try:
                yield whole
            finally:
                self._wholes.open = None
            if whole.abandoned:
                transaction.rollback()
                return
            whole.finish()
            with committing():
                transaction.commit()
        whole.follow()

    @contextmanager
    def _transaction(self, *, read_only: bool) -> Iterator[tuple[Connection, Transaction]]:
        options: dict[str, Any] = {"read_only": read_only}
        if read_only and self._engine.dialect.name == "postgresql":
            options["isolation_level"] = "AUTOCOMMIT"
        with translated(), passed(self._engine, read_only=read_only), self._engine.connect() as plain:
            connection = plain.execution_options(**options)
            with connection.begin() as transaction:
                yield connection, transaction

    def changes(self, run_ids: Collection[str]) -> dict[str, tuple[int, str]]:
        """Length of the journal and status of each of these runs that exists: one query, whatever their number."""
        with self(read_only=True) as unit:
            return unit.runs.changes(run_ids)
