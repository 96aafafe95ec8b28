"""What a task's limits make of a run, and which templates can be keys."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.run_limits import LONGEST_KEY, Unfilled, crowded, key_problems, limited, taken
from app.domain.runs import NewRun
from tests.fakes.rows import MOMENT, a_run, a_task


def made(fields: dict[str, Any], **run: Any) -> NewRun:
    """The run with the limits of a task of these fields."""
    task = a_task(**fields)
    return limited(a_run(task, id="r1", scheduled_for=MOMENT, **run), task)


@pytest.mark.parametrize(
    ("overlap", "in_line", "supersedes"),
    [
        ("skip", False, False),
        ("allow", False, False),
        ("queue_one", True, False),
        ("queue_all", True, False),
        ("cancel_running", True, True),
    ],
)
def test_overlap_says_whether_runs_stand_in_line(overlap: str, in_line: bool, supersedes: bool) -> None:
    run = made({"overlap": overlap})
    assert (run.in_line, run.supersedes) == (in_line, supersedes)


@pytest.mark.parametrize(
    ("key", "run", "expected"),
    [
        ("api", {}, "api"),
        ("api-${params.customer}", {"params": {"customer": "acme"}}, "api-acme"),
        # the task's own params lie under those of the run
        ("${params.city}", {"params": {"customer": "acme"}}, "Cahul"),
        ("${params.city}", {"params": {"city": "Soroca"}}, "Soroca"),
        ("${event.payload.user}", {"event": {"payload": {"user": 7}}}, "7"),
        ("${task.title}/${run.trigger}", {}, "A task/manual"),
        ("${run.scheduled_for}", {}, "2026-11-24T08:30:00Z"),
        # a list or an object is told by its JSON
        ("${params.list}", {"params": {"list": [1, "a"]}}, '[1,"a"]'),
        # nothing limits nothing
        ("${params.none}", {"params": {"none": None}}, None),
        ("${params.none}", {"params": {"none": ""}}, None),
        # what no database takes as text
        ("${params.odd}", {"params": {"odd": "a\x00b\ud800"}}, "a?b?"),
    ],
)
def test_a_key_is_filled_in_when_the_run_is_made(key: str, run: dict[str, Any], expected: str | None) -> None:
    payload = {"params": {"city": "Cahul"}, "pipeline": []}
    assert made({"concurrency_key": key, "payload": payload}, **run).concurrency_key == expected


def test_the_limit_comes_with_the_key() -> None:
    assert made({"concurrency_key": "api", "concurrency_limit": 7}).concurrency_limit == 7


def test_a_dedupe_key_comes_with_its_window() -> None:
    run = made({"dedupe_key": "${run.trigger}", "dedupe_window_seconds": 60})
    assert (run.dedupe_key, run.dedupe_window_seconds) == ("manual", 60)


def test_long_keys_are_told_apart_by_their_end() -> None:
    one, other = (made({"concurrency_key": "${params.k}"}, params={"k": "x" * 500 + end}) for end in "ab")
    assert one.concurrency_key != other.concurrency_key
    assert len(one.concurrency_key or "") == LONGEST_KEY


def test_a_key_that_cannot_be_filled_in_is_no_run() -> None:
    task = a_task(concurrency_key="${event.payload.user}")
    with pytest.raises(Unfilled):
        limited(a_run(task), task)
    reason = taken(a_run(task), task)
    assert isinstance(reason, str) and reason.startswith("'concurrency_key' cannot be filled in: ")


def test_a_reason_fits_the_record_of_an_occurrence() -> None:
    task = a_task(concurrency_key="${params." + "x" * 900 + "}")
    reason = taken(a_run(task), task)
    assert isinstance(reason, str) and len(reason) < 500


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (None, []),
        ("api", []),
        ("api-${params.customer}", []),
        ("${event.payload.user || run.trigger}", []),
        ("${steps.a}", ["A key sees 'params', 'task', 'event' and 'run', not 'steps'"]),
        ("${secrets.token}", ["A key sees 'params', 'task', 'event' and 'run', not 'secrets'"]),
        ("${params.a", ["It is not a template: A `${` is never closed: ${params.a"]),
    ],
)
def test_templates_of_keys_are_checked(key: str | None, expected: list[str]) -> None:
    problems = key_problems("concurrency_key", key)
    assert [problem.message for problem in problems] == expected
    assert all(problem.pointer == "/concurrency_key" for problem in problems)


@pytest.mark.parametrize(
    ("overlap", "most"), [("skip", 1), ("queue_one", 2), ("queue_all", None), ("cancel_running", None), ("allow", None)]
)
def test_so_many_unended_runs_keep_the_next_one_off(overlap: str, most: int | None) -> None:
    assert [crowded(overlap, count) for count in range(4)] == [most is not None and count >= most for count in range(4)]
