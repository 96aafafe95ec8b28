"""Lists of tasks: rows that were read before are not taken apart again, and a changed row never shows as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.tasks import Task, TaskFilter
from app.storage.task_rows import LONGEST_REMEMBERED
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.fakes.rows import MOMENT, a_task, stored

FULL = {
    "title": "Țânțar «7»",
    "description": "two\nlines",
    "payload": {"params": {"n": 1.5, "t": "\\u0000"}, "pipeline": [{"id": "a", "uses": "data.set"}]},
    "tags": ("b", "a"),
    "starts_at": MOMENT,
    "max_runs": 3,
    "next_run_at": MOMENT,
    "next_due_at": MOMENT,
}


def the_list(units: SqlUnitsOfWork) -> list[Task]:
    """All of them."""
    with units(read_only=True) as unit:
        return list(unit.tasks.page(TaskFilter(), limit=50, offset=0).items)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        FULL,
        {"payload": {"params": {"long": "x" * LONGEST_REMEMBERED}, "pipeline": []}},  # too long to be remembered
    ],
)
def test_a_listed_task_is_the_task(units: SqlUnitsOfWork, fields: dict[str, object]) -> None:
    task = stored(units, a_task(**fields))
    with units(read_only=True) as unit:
        assert the_page(unit) == [unit.tasks.get(task.id)] == [task]


def the_page(unit: object) -> list[Task]:
    """All of them, in a unit that is open."""
    return list(unit.tasks.page(TaskFilter(), limit=50, offset=0).items)  # type: ignore[attr-defined]


def test_unchanged_rows_give_the_same_objects(units: SqlUnitsOfWork) -> None:
    for _ in range(3):
        stored(units, a_task())
    assert all(before is after for before, after in zip(the_list(units), the_list(units), strict=True))


def test_a_changed_row_shows_at_once(units: SqlUnitsOfWork) -> None:
    task = stored(units, a_task())
    before = the_list(units)
    with units() as unit:
        unit.tasks.save(replace(task, title="Other", version=2))
    assert [one.title for one in before] == ["A task"]
    assert [one.title for one in the_list(units)] == ["Other"]
