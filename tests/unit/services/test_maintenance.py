"""Housekeeping: what has come due is done, and old history goes as fast as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.clock import SystemClock
from app.services import maintenance
from app.services.maintenance import PURGE_BATCH, Housekeeper, TaskPauser
from tests.fakes.hands import Bell
from tests.fakes.keys import MemoryKeyStore
from tests.fakes.limits import LimitRows, MemoryDedupeStore
from tests.fakes.rows import a_run, a_task


class Store:
    """A ledger, and units of work over so many old runs."""

    def __init__(self, *, old: int = 0, lost: int = 0, outcomes: tuple[str, ...] = ()) -> None:
        self.old, self.lost, self.outcomes = old, lost, outcomes
        self.runs = self.agents = self.tool_turns = self.budgets = self
        self.dedupe = MemoryDedupeStore(LimitRows())
        self.keys = MemoryKeyStore({})

    @contextmanager
    def __call__(self, *, read_only: bool = False) -> Iterator[Store]:
        yield self

    def rescue(self) -> int:
        lost, self.lost = self.lost, 0
        return lost

    def purge(self, before: object, limit: int) -> int:
        gone = min(self.old, limit)
        self.old -= gone
        return gone

    def forget(self, before: object) -> None:
        """Tokens that have run out are no matter here."""

    def tidy(self, before: object = None) -> None:
        """Nor are calls that count against no limit any more."""

    def last_outcomes(self, task_id: str, limit: int) -> list[str]:
        return list(self.outcomes[:limit])


def housekeeper(store: Any, bell: Bell) -> Housekeeper:
    """One over such a store."""
    return Housekeeper(ledger=store, units=store, queue=bell, clock=SystemClock(), retention_days=1)


def test_rescued_runs_are_announced() -> None:
    bell = Bell()
    housekeeper(Store(lost=3), bell).look()
    assert bell.rings == 3


def test_a_chore_waits_for_its_time() -> None:
    store = Store(lost=1)
    keeper = housekeeper(store, Bell())
    keeper.look()
    store.lost = 1
    keeper.look()
    assert store.lost == 1


def test_purging_goes_on_while_batches_come_back_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PURGE_PAUSE_SECONDS", 0.0)
    store = Store(old=2 * PURGE_BATCH + 1)
    keeper = housekeeper(store, Bell())
    for _ in range(3):
        keeper.look()
    assert store.old == 0


def test_keys_that_have_run_out_are_forgotten_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PURGE_PAUSE_SECONDS", 0.0)
    store, task, long_ago = Store(), a_task(), datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(PURGE_BATCH + 1):
        store.dedupe.accept(a_run(task, dedupe_key=str(number), dedupe_window_seconds=1), long_ago)
    keeper = housekeeper(store, Bell())
    for _ in range(2):
        keeper.look()
    assert store.dedupe.purge(datetime.now(UTC), 1) == 0


@pytest.mark.parametrize(
    ("outcomes", "paused"),
    [
        (("failed", "failed"), True),
        (("failed", "succeeded"), False),
        (("failed",), False),  # too few to tell
    ],
)
def test_a_task_is_paused_when_its_last_runs_have_all_failed(outcomes: tuple[str, ...], *, paused: bool) -> None:
    told: list[str] = []
    units: Any = Store(outcomes=outcomes)
    TaskPauser(units=units, pause=lambda task_id, reason: told.append(reason)).failed("t", 2)
    assert told == (["Its last 2 runs failed"] if paused else [])
