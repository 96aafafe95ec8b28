"""What is expected of a task, when the watch over it begins, and which expectations do not hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidInput
from app.domain.expectations import KINDS, Watched, breaches, expectations, watched_since
from tests.fakes.rows import MOMENT, a_task

MINUTE = timedelta(minutes=1)
ALL = dict.fromkeys(KINDS, 60)


def at(minutes: float) -> datetime:
    return MOMENT + minutes * MINUTE


def watched(**facts: Any) -> Watched:
    return Watched(**{"task_id": "t", "title": "T", "expect": ALL, "since": MOMENT, **facts})


QUEUED = {"unstarted_since": at(5), "unfinished_since": at(5)}


def test_expectations_are_seconds_in_one_order() -> None:
    assert expectations({"no_success_for": "1d", "start_within": 5, "finish_within": None}) == {
        "start_within": 5,
        "no_success_for": 86_400,
    }


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ({}, ["/expect"]),
        ({"start_within": None}, ["/expect"]),
        ({"start_within": 0}, ["/expect/start_within"]),
        ({"start_within": "367d", "finish_within": "soon"}, ["/expect/start_within", "/expect/finish_within"]),
        ({"within": 5, "start_within": True}, ["/expect/within", "/expect/start_within"]),
    ],
)
def test_what_cannot_be_expected(given: dict[str, Any], pointers: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        expectations(given)
    assert [problem.pointer for problem in refused.value.problems] == pointers


@pytest.mark.parametrize(
    ("facts", "minutes", "kinds"),
    [
        # nothing has to happen but a success
        ({}, 0.9, []),
        ({}, 1, ["no_success_for"]),
        ({"succeeded_at": at(5)}, 5.9, []),
        ({"succeeded_at": at(5)}, 6, ["no_success_for"]),
        # a run that nobody has begun
        ({**QUEUED, "succeeded_at": at(5)}, 5.9, []),
        ({**QUEUED, "succeeded_at": at(6)}, 6, ["start_within", "finish_within"]),
        # one that was begun
        ({"unfinished_since": at(5), "succeeded_at": at(6)}, 6, ["finish_within"]),
        # an occurrence that no beat has fired
        ({"due_at": at(5), "succeeded_at": at(5)}, 5.9, []),
        ({"due_at": at(5), "succeeded_at": at(6)}, 6, ["start_within", "finish_within"]),
        ({"due_at": at(50), "succeeded_at": at(5)}, 5.5, []),
        # what was before the watch began does not count
        ({"unstarted_since": at(-50), "succeeded_at": at(-50)}, 0.9, []),
        ({"unstarted_since": at(-50), "succeeded_at": at(0.5)}, 1, ["start_within"]),
        # completed: its last runs are late, and more successes are not expected
        ({"active": False}, 50, []),
        ({"active": False, **QUEUED}, 6, ["start_within", "finish_within"]),
        # asleep, and awake again
        ({"snoozed_until": at(9)}, 8, []),
        ({"snoozed_until": at(9)}, 9.9, []),
        ({"snoozed_until": at(9)}, 10, ["no_success_for"]),
    ],
)  # fmt: skip
def test_what_does_not_hold(facts: dict[str, Any], minutes: float, kinds: list[str]) -> None:
    assert [breach.kind for breach in breaches(watched(**facts), at(minutes))] == kinds


def test_only_what_is_expected_is_judged() -> None:
    late = watched(expect={"finish_within": 60}, unstarted_since=at(0), unfinished_since=at(0), due_at=at(0))
    (breach,) = breaches(late, at(100))
    assert (breach.kind, breach.limit_seconds, breach.counted_from, breach.breached_at) == (
        "finish_within",
        60,
        at(0),
        at(1),
    )


@given(st.integers(-100, 100), st.integers(0, 100))
def test_a_breach_stays_one_until_something_happens(begun: int, later: int) -> None:
    late = watched(unstarted_since=at(begun))
    now = {breach.kind for breach in breaches(late, at(5))}
    assert now <= {breach.kind for breach in breaches(late, at(5 + later))}


EXPECTING = a_task(expect=ALL, watched_since=MOMENT)


@pytest.mark.parametrize(
    ("before", "after", "since"),
    [
        (None, {}, at(1)),
        ({}, {"title": "Another"}, MOMENT),
        ({}, {"expect": {"start_within": 5}}, at(1)),
        ({}, {"expect": None}, None),
        ({}, {"status": "paused"}, None),
        ({"status": "paused", "watched_since": None}, {}, at(1)),
        ({"status": "completed"}, {"status": "completed", "title": "Another"}, MOMENT),
        ({"status": "completed"}, {}, at(1)),
        ({}, {"snoozed_until": at(5)}, MOMENT),
        ({"snoozed_until": at(5)}, {}, at(1)),
    ],
)
def test_the_watch_begins(before: dict[str, Any] | None, after: dict[str, Any], since: datetime | None) -> None:
    was = None if before is None else replace(EXPECTING, **before)
    assert watched_since(was, replace(EXPECTING, **after), at(1)) == since
