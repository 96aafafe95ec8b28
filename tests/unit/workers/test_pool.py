"""How a pool process ends: what it has counted is stored where the database has just answered, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from app.services.keeper import EXIT_CALL_ENDED, EXIT_LEASE_LOST
from tests.fakes.metrics import MemoryMetrics, metrics_of
from workers.pool import PoolProcess, StopFlag


@pytest.mark.parametrize(
    ("code", "stored"),
    [
        # The outcome of the call has been written a moment ago.
        (EXIT_CALL_ENDED, 1),
        # The database may be stuck, and another worker waits for this one to be gone.
        (EXIT_LEASE_LOST, 0),
    ],
)
def test_a_process_that_is_ended_stores_its_counts_if_it_can(
    monkeypatch: pytest.MonkeyPatch, code: int, stored: int
) -> None:
    ended: list[int] = []
    monkeypatch.setattr("os._exit", ended.append)
    store, executor = MemoryMetrics(), _nobody()
    metrics = metrics_of(store, "pool")
    metrics.record_request("GET", "/tasks")
    PoolProcess(executor, StopFlag(), metrics=metrics, poll_seconds=1)._exit(code)
    assert ended == [code]
    assert sum(value for (name, _), value in store.sums.items() if name == "http_requests_total") == stored


def _nobody() -> Any:
    return None
