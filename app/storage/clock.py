"""The database's clock: the only one that several machines share."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from sqlalchemy import Engine, text

from app.domain.clock import from_micros
from app.storage.engines import translated

MEASURE_SECONDS = 10.0


class DatabaseClock:
    """Tells the time of a PostgreSQL server, whatever the clock of this machine shows or does.

    The server is asked every ten seconds; in between, this machine's monotonic clock counts on.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._read_at = 0.0
        self._read: datetime | None = None

    def now(self) -> datetime:
        """The present moment, aware, in UTC.

        Raises:
            Unavailable: the database does not answer.
        """
        read = self._read
        if read is None or time.monotonic() - self._read_at > MEASURE_SECONDS:
            read = self._measure()
        return read + timedelta(seconds=time.monotonic() - self._read_at)

    def _measure(self) -> datetime:
        query = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        with translated(), self._engine.connect() as connection:
            asked_at = time.monotonic()
            micros = connection.execute(query).scalar_one()
            # The server looked at its clock about halfway through the journey.
            self._read_at = (asked_at + time.monotonic()) / 2
        self._read = read = from_micros(micros)
        return read
