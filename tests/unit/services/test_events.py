"""What of events no database is needed for: who may hear, and what beat does for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.access import LOCAL
from app.domain.errors import Forbidden
from app.domain.events import Draft, TopicPattern
from app.domain.scopes import READ_ALL
from app.domain.triggers import TriggerRow
from app.services.lifecycle import check_may_hear
from app.services.maintenance import PURGE_BATCH, EventUpkeep
from app.services.publishing import Publisher, Triggers
from ordinaut import Caller
from tests.fakes.events import MemoryEventStore
from tests.fakes.rows import a_task
from tests.fakes.stores import MemoryUnitsOfWork
from tests.fakes.task_world import TurnedClock

NARROW = Caller("ana", frozenset({"tasks:create"}))


@pytest.mark.parametrize(
    ("kind", "expr", "about_everybody"),
    [
        ("event", "run.failed", True),
        ("event", "shop.*, task.created", True),
        ("condition", "topic == 'run.failed'", True),
        # these are not for what the platform tells
        ("event", "**", False),
        ("event", "shop.**", False),
        ("condition", "payload.total > 1", False),
        ("manual", None, False),
    ],
)
def test_what_is_told_of_everybodys_tasks_starts_nothing_of_those_who_may_not_see_them(
    kind: str, expr: str | None, about_everybody: bool
) -> None:
    task = a_task(schedule_kind=kind, schedule_expr=expr)
    for caller in (LOCAL, Caller("eve", frozenset({READ_ALL}))):
        check_may_hear(task, caller)
    if about_everybody:
        with pytest.raises(Forbidden) as caught:
            check_may_hear(task, NARROW)
        assert caught.value.details["required_scopes"] == [READ_ALL]
    else:
        check_may_hear(task, NARROW)


def test_a_pattern_without_the_platform_means_all_the_rest() -> None:
    pattern = TopicPattern.parse("**").without_platform()
    assert pattern.matches("shop.run.failed")
    assert not any(pattern.matches(topic) for topic in ("run.failed", "task.created", "extension.failed", "ordinaut.x"))


def test_triggers_are_read_anew_only_where_something_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    units, triggers, wanted = MemoryUnitsOfWork(), Triggers(), ["shop.*"]
    read: list[TriggerRow] = []

    def rows(store: MemoryEventStore) -> list[TriggerRow]:
        read.append(TriggerRow("t", "event", "shop.*"))
        return read[-1:]

    monkeypatch.setattr("app.services.publishing.INTERESTS_SECONDS", -1.0)
    monkeypatch.setattr(MemoryEventStore, "interests", lambda store: list(wanted))
    monkeypatch.setattr(MemoryEventStore, "triggers", rows)

    def look(times: int) -> int:
        read.clear()
        for _ in range(times):
            with units() as unit:
                triggers.look(unit.events)
        return len(read)

    assert look(3) == 1
    wanted.append("bank.*")
    assert look(3) == 1 and len(triggers.index.interests) == 2
    with units() as unit:
        unit.events.triggers_changed()
    assert look(3) == 1


def test_old_events_are_deleted_in_batches() -> None:
    units, clock = MemoryUnitsOfWork(), TurnedClock(datetime.now(UTC))
    upkeep = EventUpkeep(units=units, clock=clock, retention_days=1)
    publisher = Publisher(Triggers())
    with units() as unit:
        publisher.store(unit.events, [Draft(topic="a", data={}) for _ in range(PURGE_BATCH + 1)])
    assert upkeep.trim() is False and len(units.rows.events.events) == PURGE_BATCH + 1
    clock.moment += timedelta(days=1, minutes=1)
    assert upkeep.trim() is True and len(units.rows.events.events) == 1
    assert upkeep.trim() is False and not units.rows.events.events
    assert upkeep.carry() is False
