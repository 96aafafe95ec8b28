"""What becomes of due occurrences: tables for each rule, and a simulator too simple to be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.next_run import MOMENT, aimed_at, delayed, first_after, schedule_of
from app.domain.occurrences import CHUNK, judge
from app.domain.schedules import preview
from app.domain.tasks import OccurrenceRecord, Task
from tests.fakes.rows import a_task

NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SHORT = {
    "fired": "f",
    "skipped_misfire": "m",
    "skipped_overlap": "o",
    "skipped_snooze": "s",
    "dropped_limit": "d",
}


def due(**fields: Any) -> Task:
    """A task of every minute, aimed at 09:00."""
    base = {"schedule_kind": "cron", "schedule_expr": "* * * * *", "created_at": NINE, "anchor_at": NINE}
    return aimed_at(a_task(**{**base, **fields}), NINE)


def told(records: Sequence[OccurrenceRecord]) -> str:
    """The outcomes in a word, such as `mmf`."""
    return "".join(SHORT[record.outcome] for record in records)


@pytest.mark.parametrize(
    ("fields", "minutes", "expected"),
    [
        # on time: every one within the grace fires, at its edge too
        ({"overlap": "allow"}, 0, "f"),
        ({"overlap": "allow"}, 1, "ff"),
        ({"overlap": "allow", "misfire_grace_seconds": 0}, 0, "f"),
        # missed, last: a later one that is due stands for them
        ({"misfire": "last", "overlap": "allow"}, 5, "mmmmff"),
        # missed, last, and nothing newer due: the last one fires though it is late
        ({"misfire": "last", "schedule_expr": "0 9 * * *"}, 300, "f"),
        ({"misfire": "last", "schedule_expr": "*/10 9 * * *"}, 300, "mmmmmf"),
        # missed, skip
        ({"misfire": "skip", "overlap": "allow"}, 5, "mmmmff"),
        ({"misfire": "skip", "schedule_expr": "0 9 * * *"}, 300, "m"),
        # missed, all: the newest of them, at most so many
        ({"misfire": "all", "overlap": "allow"}, 5, "ffffff"),
        ({"misfire": "all", "overlap": "allow", "catchup_max": 2}, 5, "mmffff"),
        ({"misfire": "all", "overlap": "allow", "catchup_max": 1}, 5, "mmmfff"),
        # the catch-up window: as old as it counts in, a moment older does not
        ({"misfire": "all", "overlap": "allow", "catchup_window_seconds": 240}, 5, "mfffff"),
        ({"misfire": "all", "overlap": "allow", "catchup_window_seconds": 239}, 5, "mmffff"),
        ({"misfire": "last", "schedule_expr": "0 9 * * *", "catchup_window_seconds": 60}, 300, "m"),
        ({"misfire": "last", "schedule_expr": "0 9 * * *", "catchup_window_seconds": 0}, 300, "m"),
        # ends_at: the last one before it stands for those missed, and no row tells of what lies behind it
        ({"misfire": "last", "ends_at": NINE + 3 * MINUTE}, 60, "mmf"),
        ({"misfire": "all", "ends_at": NINE + 3 * MINUTE, "overlap": "allow"}, 60, "fff"),
        # overlap: the first that fires keeps the later ones off
        ({"overlap": "skip"}, 1, "fo"),
        ({"misfire": "all", "overlap": "skip"}, 5, "fooooo"),
        ({"misfire": "all", "overlap": "queue_one"}, 5, "ffoooo"),
        ({"misfire": "all", "overlap": "queue_all"}, 5, "ffffff"),
        ({"misfire": "all", "overlap": "cancel_running"}, 5, "ffffff"),
        # max_runs counts what fires, and nothing is written of what comes after
        ({"overlap": "allow", "max_runs": 1}, 1, "f"),
        ({"misfire": "all", "overlap": "allow", "max_runs": 3}, 5, "fff"),
        ({"misfire": "last", "overlap": "allow", "max_runs": 1}, 5, "mmmmf"),
        # snooze: what lies before its end, not what lies on it; it stands above misfire
        ({"overlap": "allow", "snoozed_until": NINE}, 1, "ff"),
        ({"overlap": "allow", "snoozed_until": NINE + MINUTE}, 1, "sf"),
        ({"overlap": "allow", "snoozed_until": NINE + MOMENT}, 1, "sf"),
        ({"misfire": "all", "overlap": "allow", "snoozed_until": NINE + 3 * MINUTE}, 5, "sssfff"),
        # a moment of its own
        ({"schedule_kind": "once", "schedule_expr": "2026-11-24T09:00:00Z"}, 0, "f"),
        ({"schedule_kind": "once", "schedule_expr": "2026-11-24T09:00:00Z"}, 600, "f"),
        ({"schedule_kind": "once", "schedule_expr": "2026-11-24T09:00:00Z", "misfire": "skip"}, 600, "m"),
    ],
)
def test_outcomes_after_an_absence(fields: dict[str, Any], minutes: int, expected: str) -> None:
    assert told(judge(due(**fields), NINE + minutes * MINUTE, busy=False).records) == expected


def test_a_run_that_goes_on_keeps_the_next_occurrence_off_only_where_overlap_says_so() -> None:
    (skipped,) = judge(due(overlap="skip"), NINE, busy=True).records
    assert (skipped.outcome, skipped.reason) == ("skipped_overlap", "An earlier run of the task had not ended")
    assert told(judge(due(overlap="allow"), NINE, busy=True).records) == "f"


def test_one_run_may_wait_behind_another() -> None:
    (second,), (third,) = (judge(due(overlap="queue_one"), NINE, busy=busy).records for busy in (1, 2))
    assert (second.outcome, third.outcome) == ("fired", "skipped_overlap")
    assert third.reason == "One run of the task was waiting for its turn already"


def test_the_reason_of_a_snooze_is_kept() -> None:
    task = due(snoozed_until=NINE + MINUTE, snooze_reason="On holiday")
    assert judge(task, NINE, busy=False).records[0].reason == "On holiday"


@pytest.mark.parametrize(
    ("fields", "minutes"),
    [
        # it has fired
        ({"schedule_kind": "once", "schedule_expr": "2026-11-24T09:00:00Z"}, 0),
        # the rule has no next time
        ({"schedule_kind": "rrule", "schedule_expr": "DTSTART:20261124T090000Z\nRRULE:FREQ=MINUTELY;COUNT=2"}, 1),
        # its window is over
        ({"ends_at": NINE + 2 * MINUTE}, 1),
        # it has had its runs
        ({"max_runs": 2, "fired_count": 1}, 0),
    ],
)
def test_a_task_without_a_next_time_is_completed(fields: dict[str, Any], minutes: int) -> None:
    task = judge(due(**fields), NINE + minutes * MINUTE, busy=False).task
    assert (task.status, task.next_run_at, task.next_due_at) == ("completed", None, None)


def test_a_task_moves_on_to_its_next_time() -> None:
    task = judge(due(overlap="allow"), NINE + MINUTE, busy=False).task
    assert (task.status, task.next_run_at, task.fired_count) == ("active", NINE + 2 * MINUTE, 2)


def test_nothing_due_is_nothing_decided() -> None:
    task = due()
    assert judge(task, NINE - MOMENT, busy=False).records == ()
    assert judge(task, NINE - MOMENT, busy=False).task == task


def test_a_long_absence_is_worked_off_in_chunks() -> None:
    task, now, outcomes, ticks = due(misfire="last"), NINE + 1200 * MINUTE, "", 0
    while task.next_run_at is not None and task.next_run_at <= now:
        verdict = judge(task, now, busy="f" in outcomes)
        assert len(verdict.records) <= CHUNK
        task, outcomes, ticks = verdict.task, outcomes + told(verdict.records), ticks + 1
    assert ticks == 3
    assert outcomes == "m" * 1199 + "fo"


def test_jitter_delays_each_occurrence_and_keeps_their_order() -> None:
    task = due(jitter_seconds=3600, overlap="allow")
    records = judge(task, NINE + 10 * MINUTE, busy=False).records
    effective = [record.effective_at for record in records]
    assert effective == sorted(effective)
    assert all(timedelta() <= r.effective_at - r.nominal_at <= MINUTE / 2 for r in records)
    assert all(record.effective_at == delayed(task, record.nominal_at) for record in records)


@pytest.mark.parametrize("misfire", ["last", "skip", "all"])
def test_jitter_is_no_lateness(misfire: str) -> None:
    # Ten hours of jitter and a minute of grace: fired at the moment it was delayed to, it is on time.
    for number in range(20):
        task = due(id=f"task-{number}", schedule_expr="0 9 * * *", jitter_seconds=36_000, misfire=misfire)
        assert task.next_due_at is not None
        assert told(judge(task, task.next_due_at, busy=False).records) == "f"
        late = judge(task, task.next_due_at + MINUTE + MOMENT, busy=False).records
        assert told(late) == ("m" if misfire == "skip" else "f")


# The model: what the rules say, occurrence by occurrence, with every list written out.


def simulated(task: Task, now: datetime, *, busy: bool) -> list[tuple[datetime, str]]:
    """Nominal times with their outcomes, the slow way."""
    times: list[datetime] = []
    nominal = task.next_run_at
    while nominal is not None and delayed(task, nominal) <= now:
        times.append(nominal)
        nominal = first_after(task, nominal)
    grace = timedelta(seconds=task.misfire_grace_seconds)
    missed = [one for one in times if now - delayed(task, one) > grace]
    fresh = [one for one in missed if now - one <= timedelta(seconds=task.catchup_window_seconds)]
    caught = {
        "skip": [],
        "last": fresh[-1:] if len(missed) == len(times) else [],
        "all": fresh[-task.catchup_max :],
    }[task.misfire]
    outcomes: list[tuple[datetime, str]] = []
    fired = task.fired_count
    for one in times:
        if task.max_runs is not None and fired >= task.max_runs:
            break
        outcome = "fired"
        if task.snoozed_until is not None and one < task.snoozed_until:
            outcome = "skipped_snooze"
        elif one in missed and one not in caught:
            outcome = "skipped_misfire"
        elif busy and task.overlap == "skip":
            outcome = "skipped_overlap"
        if outcome == "fired":
            fired, busy = fired + 1, True
        outcomes.append((one, outcome))
    return outcomes


SECONDS = timedelta(seconds=1)
tasks = st.fixed_dictionaries(
    {
        "schedule_expr": st.sampled_from(
            ["* * * * * *", "*/7 * * * * *", "0,1,30 * * * * *", "* * * * *", "*/3 * * * *"]
        ),
        "misfire": st.sampled_from(["last", "skip", "all"]),
        "misfire_grace_seconds": st.sampled_from([0, 1, 5, 60]),
        "catchup_window_seconds": st.sampled_from([0, 20, 200, 86_400]),
        "catchup_max": st.integers(1, 12),
        "overlap": st.sampled_from(["skip", "allow"]),
        "jitter_seconds": st.sampled_from([0, 0, 3, 90]),
        "max_runs": st.none() | st.integers(1, 30),
        "ends_at": st.none() | st.integers(1, 600).map(lambda seconds: NINE + seconds * SECONDS),
        "snoozed_until": st.none() | st.integers(0, 400).map(lambda seconds: NINE + seconds * SECONDS),
    }
)
gaps = st.lists(st.sampled_from([0.0, 0.25, 1.0, 4.0, 61.0, 200.0]), min_size=1, max_size=6)


@settings(max_examples=500, deadline=None)
@given(fields=tasks, gaps=gaps, busies=st.lists(st.booleans(), min_size=6, max_size=6))
def test_random_histories(fields: dict[str, Any], gaps: list[float], busies: list[bool]) -> None:
    task, now = due(**fields), NINE - SECONDS
    begun = task
    records: list[OccurrenceRecord] = []
    for gap, busy in zip(gaps, busies, strict=False):
        now += timedelta(seconds=gap)
        verdict = judge(task, now, busy=busy)
        expected = simulated(task, now, busy=busy)[:CHUNK]
        assert [(record.nominal_at, record.outcome) for record in verdict.records] == expected
        records += verdict.records
        task = verdict.task
        if task.next_run_at is None:
            break
    _whole(begun, task, records)


def _whole(begun: Task, ended: Task, records: list[OccurrenceRecord]) -> None:
    """Every nominal time has one record, in order, and they are those that a preview lists."""
    nominals = [record.nominal_at for record in records]
    assert all(before < after for before, after in pairwise(nominals))
    listed = preview(schedule_of(begun), after=NINE - MOMENT, count=len(records) + 1)
    assert nominals == [one.nominal for one in listed][: len(records)]
    assert ended.fired_count == sum(record.outcome == "fired" for record in records)
    if ended.next_run_at is None:
        assert ended.status == "completed"
    else:
        assert ended.next_run_at == listed[-1].nominal
        assert ended == aimed_at(replace(ended), ended.next_run_at)


@pytest.mark.parametrize(
    ("status", "until", "outcome"),
    [
        ("pending", None, "skipped_grant"),
        ("refused", None, "skipped_grant"),
        ("accepted", None, "fired"),
        # The end does not count in.
        ("accepted", timedelta(0), "skipped_grant"),
        ("accepted", timedelta(microseconds=1), "fired"),
        (None, None, "fired"),
    ],
)  # fmt: skip
def test_none_fires_without_its_grant(status: Any, until: timedelta | None, outcome: str) -> None:
    ends = None if until is None else NINE + until
    verdict = judge(due(grant_status=status, granted_until=ends), NINE, busy=0)
    assert verdict.records[0].outcome == outcome
    assert verdict.task.fired_count == (outcome == "fired")
