"""Runs: looked at, waited for, watched, stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import pytest

from app.domain.errors import Conflict, NotFound
from app.domain.run_stories import parse_place
from app.domain.runs import RunStatus
from app.services.run_stories import Told
from app.services.runs import HEARTBEAT_SECONDS, PARTS_SECONDS, End, Heartbeat, RunService
from tests.fakes.access import Calling
from tests.fakes.http_runs import FakeRuns, FixedClock, ScriptedHub, run_row

Scene = Callable[[], Literal["changed", "timeout"]]


def service(runs: FakeRuns, *scenes: Scene) -> Any:
    """A service over a store, with a script for its hub."""
    return Calling(RunService(units=cast(Any, runs), clock=FixedClock(), hub=ScriptedHub(*scenes)))


def told(signals: Any) -> list[Any]:
    """Records by number, other signals as they are."""
    return [signal.record.number if isinstance(signal, Told) else signal for signal in signals]


class TestCancel:
    """A run is ended at once, or its worker asked."""

    @pytest.mark.parametrize("status", ["queued", "waiting"])
    def test_a_run_nobody_holds_ends_at_once(self, status: RunStatus) -> None:
        runs = FakeRuns(run_row(status=status))
        assert service(runs).cancel("r1").status == "canceled"
        assert runs.rows["r1"].status == "canceled"

    def test_a_running_one_is_asked_to_stop(self) -> None:
        runs = FakeRuns(run_row(status="running"))
        assert service(runs).cancel("r1").status == "running"
        assert runs.rows["r1"].cancel_requested_at is not None

    @pytest.mark.parametrize("status", ["succeeded", "failed", "canceled", "skipped"])
    def test_an_ended_one_is_a_conflict(self, status: RunStatus) -> None:
        with pytest.raises(Conflict) as caught:
            service(FakeRuns(run_row(status=status))).cancel("r1")
        assert caught.value.details == {"run_id": "r1", "status": status}

    def test_an_unknown_one_is_not_found(self) -> None:
        with pytest.raises(NotFound):
            service(FakeRuns()).cancel("r1")


class TestWait:
    """A long poll."""

    def test_an_ended_run_is_answered_at_once(self) -> None:
        waited = service(FakeRuns(run_row(status="succeeded"))).wait("r1", timeout=50)
        assert (waited.run.status, waited.timed_out) == ("succeeded", False)

    def test_it_looks_again_when_the_run_changes(self) -> None:
        runs = FakeRuns(run_row())

        def starts() -> Literal["changed"]:
            runs.write("r1", "state", status="running", attempt=1)
            return "changed"

        def ends() -> Literal["changed"]:
            runs.write("r1", "state", status="failed", attempt=1)
            return "changed"

        waited = service(runs, starts, ends).wait("r1", timeout=50)
        assert (waited.run.status, waited.timed_out) == ("failed", False)

    @pytest.mark.parametrize(
        ("timeout", "scenes"),
        [
            # no time at all
            (0, ()),
            # the process stops
            (50, ()),
        ],
    )
    def test_otherwise_it_tells_how_the_run_stands(self, timeout: float, scenes: tuple[Scene, ...]) -> None:
        waited = service(FakeRuns(run_row()), *scenes).wait("r1", timeout=timeout)
        assert (waited.run.status, waited.timed_out) == ("queued", True)


class TestStream:
    """Records, heartbeats, and an end."""

    def ended(self) -> FakeRuns:
        runs = FakeRuns(run_row())
        runs.write("r1", "state", status="running", attempt=1)
        runs.write("r1", "log", level="info", message="hello")
        runs.write("r1", "state", status="succeeded", attempt=1)
        return runs

    def test_it_begins_with_a_queued_state_and_ends_with_an_end(self) -> None:
        signals = list(service(self.ended()).stream("r1", after=None))
        assert told(signals) == [0, 1, 2, 3, End("succeeded")]
        assert cast(Told, signals[0]).record.body == {"status": "queued", "attempt": 0}

    @pytest.mark.parametrize(
        ("after", "expected"),
        [
            (0, [1, 2, 3, End("succeeded")]),
            (2, [3, End("succeeded")]),
            (3, [End("succeeded")]),
            # an id from elsewhere
            (99, [End("succeeded")]),
        ],
    )
    def test_it_resumes_after_any_record(self, after: int, expected: list[Any]) -> None:
        assert told(service(self.ended()).stream("r1", after=parse_place(str(after)))) == expected

    def test_it_follows_a_run_and_beats_while_nothing_happens(self) -> None:
        runs = FakeRuns(run_row())

        def ends() -> Literal["changed"]:
            runs.write("r1", "state", status="canceled")
            return "changed"

        hub = ScriptedHub(lambda: "timeout", lambda: "timeout", ends)
        watched = Calling(RunService(units=cast(Any, runs), clock=FixedClock(), hub=hub))
        assert told(watched.stream("r1", after=None)) == [0, Heartbeat(), Heartbeat(), 1, End("canceled")]
        assert hub.waits[0] == ((0, "queued"), HEARTBEAT_SECONDS)
        assert HEARTBEAT_SECONDS < 15

    def test_it_looks_at_parts_though_their_run_stands_still(self) -> None:
        runs = FakeRuns(run_row(), run_row("p1", part={"step": "both", "branch": 0}))
        runs.write("r1", "step", id="both", status="waiting", parts=["p1"])
        runs.write("r1", "state", status="waiting", reason="parts")

        def goes_on() -> Literal["timeout"]:
            runs.write("p1", "state", status="running")
            runs.write("p1", "log", level="info", message="hello", step_id="a")
            return "timeout"

        hub = ScriptedHub(goes_on)
        watched = Calling(RunService(units=cast(Any, runs), clock=FixedClock(), hub=hub))
        signals = [one for one in watched.stream("r1", after=None) if isinstance(one, Told)]
        assert [(one.place, one.part) for one in signals] == [
            ("0", None), ("1", None), ("2", None), ("2(2)", {"step": "both", "branch": 0}),
        ]  # fmt: skip
        assert hub.waits[0][1] == PARTS_SECONDS

    def test_it_stops_without_an_end_when_the_process_does(self) -> None:
        assert told(service(FakeRuns(run_row())).stream("r1", after=None)) == [0]

    def test_it_outlives_the_database(self) -> None:
        runs = FakeRuns(run_row())

        def away() -> Literal["timeout"]:
            runs.away = True
            return "timeout"

        def still_away() -> Literal["changed"]:
            return "changed"

        def back() -> Literal["timeout"]:
            runs.away = False
            runs.write("r1", "state", status="succeeded")
            return "timeout"

        signals = service(runs, away, still_away, back).stream("r1", after=None)
        assert told(signals) == [0, Heartbeat(), Heartbeat(), 1, End("succeeded")]

    def test_a_run_that_is_deleted_ends_it(self) -> None:
        runs = FakeRuns(run_row())

        def deleted() -> Literal["changed"]:
            del runs.rows["r1"]
            return "changed"

        assert told(service(runs, deleted).stream("r1", after=None)) == [0, End(None)]

    def test_an_unknown_run_is_refused_before_anything_is_sent(self) -> None:
        with pytest.raises(NotFound):
            service(FakeRuns()).stream("r1", after=None)


def test_logs_are_the_log_records_page_by_page() -> None:
    runs = FakeRuns(run_row())
    for number in range(5):
        runs.write("r1", "log", level="info", message=str(number))
        runs.write("r1", "state", status="running")
    page = service(runs).logs("r1", limit=2, offset=2)
    assert [line.body["message"] for line in page.items] == ["2", "3"]
    assert (page.total, page.has_more) == (5, True)


def test_a_task_that_never_ran_has_no_latest_run() -> None:
    runs = FakeRuns()
    runs.task_ids.add("t1")
    with pytest.raises(NotFound, match="no runs yet"):
        service(runs).latest("t1")


def test_statistics_of_an_unknown_task_are_not_found() -> None:
    with pytest.raises(NotFound):
        service(FakeRuns()).stats("t1", days=7)


def test_a_summary_reaches_back_whole_days() -> None:
    window = service(FakeRuns(run_row())).summary(days=7)
    assert (FixedClock().now() - window.since).days == 7
    assert window.stats.total == 1
