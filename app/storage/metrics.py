"""Totals and reports in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import delete, func, select, text
from sqlalchemy.engine import Connection

from app.domain.clock import SECOND
from app.domain.metrics import Measured, Report, Series
from app.storage.inserts import insert_into
from app.storage.tables import OPEN
from app.storage.tables_incidents import OPEN_INCIDENTS, incidents
from app.storage.tables_metrics import metric_reports, metric_totals
from app.storage.tables_webhooks import PENDING, webhook_deliveries, webhooks


@cache
def _add(dialect: str) -> Any:
    """Add to a total, or begin it; built once."""
    statement = insert_into(metric_totals, dialect)
    return statement.on_conflict_do_update(
        index_elements=["name", "labels"], set_={"value": metric_totals.c.value + statement.excluded.value}
    )


_NOW = {
    "postgresql": "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    "sqlite": "now_us()",
}
_report = {
    name: text(
        f"""INSERT INTO metric_reports (process, expires_at, gauges) VALUES (:process, {now} + :life, :gauges)
        ON CONFLICT (process) DO UPDATE SET expires_at = excluded.expires_at, gauges = excluded.gauges"""
    )
    for name, now in _NOW.items()
}
_reports = {name: text(f"SELECT process, gauges, expires_at > {now} FROM metric_reports") for name, now in _NOW.items()}
_purge = {name: text(f"DELETE FROM metric_reports WHERE expires_at < {now} - :age") for name, now in _NOW.items()}
# SQLite sees that a partial index answers it only where the status is written, not bound.
_depth = {
    name: text(f"SELECT count(*) FROM runs WHERE {OPEN.text} AND available_at <= (SELECT {now})")
    for name, now in _NOW.items()
}
_open_incidents = select(func.count()).select_from(incidents).where(OPEN_INCIDENTS)
# As written, not bound: only so does SQLite see that the partial index answers it.
_webhooks_waiting = select(func.count()).select_from(webhook_deliveries).where(text(PENDING))
_webhooks_disabled = (
    select(func.count()).select_from(webhooks).where(~webhooks.c.enabled, webhooks.c.trouble.is_not(None))
)
_totals = select(metric_totals.c.name, metric_totals.c.labels, metric_totals.c.value)


class SqlMetricStore:
    """See `app.domain.metrics.MetricStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, deltas: Mapping[Series, float]) -> None:
        """Add to the totals, in one order: two processes that add the same series never wait for each other."""
        rows = sorted((name, _packed(labels), value) for (name, labels), value in deltas.items())
        if rows:
            given = [{"name": name, "labels": labels, "value": value} for name, labels, value in rows]
            self._connection.execute(_add(self._dialect), given)

    def report(self, report: Report, seconds: float) -> None:
        """Replace what this process has said."""
        gauges = [[name, dict(labels), value] for (name, labels), value in report.gauges.items()]
        row = {"process": report.process, "life": _micros(seconds), "gauges": orjson.dumps(gauges).decode()}
        self._connection.execute(_report[self._dialect], row)

    def forget(self, process: str) -> None:
        """Delete what it has said."""
        self._connection.execute(delete(metric_reports).where(metric_reports.c.process == process))

    def purge(self, seconds: float) -> int:
        """Delete the reports that expired longer ago than that."""
        return self._connection.execute(_purge[self._dialect], {"age": _micros(seconds)}).rowcount

    def reports(self) -> list[Report]:
        """What processes have said of themselves."""
        rows = self._connection.execute(_reports[self._dialect])
        return [Report(process=name, gauges=_gauges(said), alive=bool(alive)) for name, said, alive in rows]

    def read(self) -> Measured:
        """Everything; the depth of the queue is counted."""
        totals = _read(self._connection.execute(_totals))
        return Measured(
            totals=totals,
            reports=self.reports(),
            queue_depth=self.queue_depth(),
            incidents_open=self._connection.execute(_open_incidents).scalar_one(),
            webhooks_waiting=self._connection.execute(_webhooks_waiting).scalar_one(),
            webhooks_disabled=self._connection.execute(_webhooks_disabled).scalar_one(),
        )

    def queue_depth(self) -> int:
        """How many runs could start now and have not."""
        return int(self._connection.execute(_depth[self._dialect]).scalar_one())

    def totals(self, names: Sequence[str]) -> dict[Series, float]:
        """The totals of the samples with these names."""
        return _read(self._connection.execute(_totals.where(metric_totals.c.name.in_(names))))

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name


def _micros(seconds: float) -> int:
    return int(seconds * SECOND)


def _packed(labels: Iterable[tuple[str, str]]) -> str:
    return orjson.dumps(dict(labels)).decode()


def _read(rows: Iterable[Any]) -> dict[Series, float]:
    return {(name, tuple(orjson.loads(labels).items())): value for name, labels, value in rows}


def _gauges(said: str) -> dict[Series, float]:
    return {(name, tuple(labels.items())): value for name, labels, value in orjson.loads(said)}
