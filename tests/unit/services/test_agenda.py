"""What is to come, over all tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.agenda import Agenda, AgendaService
from app.services.task_states import Nap
from ordinaut import Caller
from tests.fakes.access import ANA
from tests.fakes.task_world import START, TaskWorld

HOURLY = {"schedule_kind": "cron", "schedule_expr": "0 * * * *"}
NINE = START.replace(hour=9)


def agenda(world: TaskWorld, *, hours: int = 24, limit: int = 50, caller: Any = ANA) -> Agenda:
    return AgendaService(units=world.units, clock=world.clock).read(caller=caller, hours=hours, limit=limit)


def told(found: Agenda) -> list[tuple[str, datetime]]:
    return [(one.task.title, one.nominal_at) for one in found.items]


def test_all_tasks_stand_on_one_line_of_time() -> None:
    world = TaskWorld()
    world.create(title="Hourly", **HOURLY)
    world.create(title="Half past", schedule_kind="cron", schedule_expr="30 9 * * *")
    world.create(title="By hand", schedule_kind="manual", schedule_expr=None)
    found = agenda(world, hours=2)
    assert told(found) == [("Hourly", NINE), ("Half past", NINE + timedelta(minutes=30))]
    assert found.until == START + timedelta(hours=2)


@pytest.mark.parametrize(
    ("fields", "hours"),
    [
        ({"max_runs": 2}, [9, 10]),
        ({"ends_at": NINE + timedelta(hours=1)}, [9]),
        ({"starts_at": NINE + timedelta(hours=1)}, [10, 11]),
        ({"status": "paused"}, []),
    ],
)
def test_a_task_comes_as_often_as_it_may(fields: dict[str, Any], hours: list[int]) -> None:
    world = TaskWorld()
    world.create(**{**HOURLY, **fields})
    assert [one.nominal_at.hour for one in agenda(world, hours=4).items] == hours


def test_what_is_snoozed_is_left_out() -> None:
    world = TaskWorld()
    task = world.create(**HOURLY)
    world.tasks.snooze(task.id, Nap(until=NINE + timedelta(minutes=30)))
    assert [one.nominal_at.hour for one in agenda(world, hours=4).items] == [10, 11]


def test_each_time_is_told_by_the_tasks_own_clocks_and_with_its_jitter() -> None:
    world = TaskWorld()
    world.create(**{**HOURLY, "timezone": "Europe/Chisinau", "jitter_seconds": 600})
    [one] = agenda(world, hours=2).items
    assert one.local.isoformat() == "2026-11-24T11:00:00+02:00"
    assert one.nominal_at < one.effective_at <= one.nominal_at + timedelta(seconds=600)


def test_a_task_whose_zone_has_gone_hides_no_other() -> None:
    world = TaskWorld()
    lost = world.create(title="Lost", **HOURLY)
    world.units.rows.tasks[lost.id] = replace(lost, timezone="Europe/Atlantis")
    world.create(title="Hourly", **HOURLY)
    assert told(agenda(world, hours=2)) == [("Hourly", NINE)]


def test_others_see_only_their_own() -> None:
    world = TaskWorld()
    world.create(**HOURLY)
    assert agenda(world, caller=Caller("ben", frozenset({"tasks:read"}))).items == []


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(["*/7 * * * *", "0 * * * *", "15,45 9-17 * * *", "@daily"]), max_size=5),
    st.integers(1, 30),
)
def test_it_is_whole_up_to_the_moment_it_names(schedules: list[str], limit: int) -> None:
    world = TaskWorld()
    for number, expr in enumerate(schedules):
        world.create(title=str(number), schedule_kind="cron", schedule_expr=expr)
    everything, found = agenda(world, hours=8, limit=500), agenda(world, hours=8, limit=limit)
    assert len(everything.items) < 500 and len(found.items) <= limit
    moments = [one.nominal_at for one in everything.items]
    assert moments == sorted(moments)
    assert told(found) == told(everything)[: len(found.items)]
    assert all(moment <= found.until for _, moment in told(found))
    assert len([moment for moment in moments if moment < found.until]) <= len(found.items)
