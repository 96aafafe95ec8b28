"""Runs over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.http.streams import Slots
from tests.fakes.http_app import FakeSettings, World, make_app
from tests.fakes.http_runs import NOON, FakeRuns, ScriptedHub, run_row

ERROR = {"type": "timeout", "message": "It took too long", "step_id": "fetch"}


def client_of(runs: FakeRuns, **world: Any) -> FlaskClient:
    """A client of an application over this store."""
    return make_app(World(runs=runs, **world)).test_client()


def failed_run() -> FakeRuns:
    """One run that failed in its second step."""
    row = run_row(started_at=NOON, finished_at=NOON, error=ERROR, params={"city": "Chișinău"}, attempt=1)
    runs = FakeRuns(row)
    runs.write("r1", "state", status="running", attempt=1)
    runs.write("r1", "step", id="set", uses="data.set", status="succeeded", attempt=1, input={}, output=1)
    runs.write("r1", "log", level="warning", message="slow", step_id="fetch")
    runs.write("r1", "step", id="fetch", uses="http.request", status="failed", attempt=1, error=ERROR)
    runs.write("r1", "state", status="failed", attempt=1)
    return runs


def test_a_run_comes_with_its_steps() -> None:
    body = client_of(failed_run()).get("/runs/r1").get_json()
    assert (body["status"], body["success"], body["error"]["step_id"]) == ("failed", False, "fetch")
    assert body["scheduled_for"] == "2026-11-24T12:00:00Z"
    assert body["params"] == {"city": "Chișinău"}
    assert [(step["id"], step["status"]) for step in body["steps"]] == [
        ("set", "succeeded"),
        ("fetch", "failed"),
    ]
    assert body["steps"][1]["attempts"][0]["error"]["type"] == "timeout"


def test_every_member_of_the_specification_is_there() -> None:
    body = client_of(failed_run()).get("/runs/r1").get_json()
    promised = "id task_id trigger nominal_at scheduled_for started_at finished_at attempt max_attempts"
    promised += " lease_owner leased_until success error output parent_run_id event status steps"
    assert set(promised.split()) <= body.keys()


def test_the_list_passes_its_filters_on() -> None:
    runs = failed_run()
    query = "status=failed,queued&success=false&trigger=schedule&task_id=t1&end_time=2026-11-25T00:00:00Z"
    body = client_of(runs).get(f"/runs?{query}&limit=5").get_json()
    assert {key: body[key] for key in ("total", "limit", "offset", "has_more")} == {
        "total": 1,
        "limit": 5,
        "offset": 0,
        "has_more": False,
    }
    (asked,) = runs.asked
    assert (asked.status, asked.success, asked.trigger, asked.task_id) == (
        ("failed", "queued"),
        False,
        "schedule",
        "t1",
    )
    assert asked.end_time is not None
    assert asked.start_time is None


def test_the_list_leaves_errors_out_when_asked_to() -> None:
    client = client_of(failed_run())
    assert client.get("/runs").get_json()["items"][0]["error"]["type"] == "timeout"
    assert client.get("/runs?include_errors=false").get_json()["items"][0]["error"] is None


def test_steps_and_logs_have_addresses_of_their_own() -> None:
    client = client_of(failed_run())
    assert len(client.get("/runs/r1/steps").get_json()["steps"]) == 2
    assert client.get("/runs/r1/logs").get_json()["items"] == [
        {
            "number": 3,
            "at": "2026-11-24T12:00:00Z",
            "level": "warning",
            "message": "slow",
            "step_id": "fetch",
        }
    ]


def test_cancelling_answers_202_with_what_was_done() -> None:
    answer = client_of(FakeRuns(run_row())).post("/runs/r1/cancel")
    assert answer.status_code == 202
    assert answer.get_json() == {
        "success": True,
        "message": "Run canceled",
        "details": {"run_id": "r1", "status": "canceled"},
    }
    running = client_of(FakeRuns(run_row(status="running"))).post("/runs/r1/cancel").get_json()
    assert (running["message"], running["details"]["status"]) == ("Cancellation requested", "running")


def test_cancelling_an_ended_run_is_a_conflict() -> None:
    answer = client_of(failed_run()).post("/runs/r1/cancel")
    assert (answer.status_code, answer.get_json()["details"]) == (409, {"run_id": "r1", "status": "failed"})


def test_a_wait_says_whether_the_time_was_up() -> None:
    assert client_of(failed_run()).get("/runs/r1/wait").get_json()["timed_out"] is False
    body = client_of(FakeRuns(run_row())).get("/runs/r1/wait?timeout=0").get_json()
    assert (body["status"], body["timed_out"]) == ("queued", True)


def test_the_latest_run_and_the_statistics_of_a_task() -> None:
    client = client_of(failed_run())
    assert client.get("/runs/task/t1/latest").get_json()["id"] == "r1"
    stats = client.get("/runs/task/t1/stats?days=30").get_json()
    assert (stats["task_id"], stats["days"], stats["total"]) == ("t1", 30, 1)
    assert client.get("/runs/stats/summary").get_json()["days"] == 7
    assert client.get("/runs/stats/summary?days=366").status_code == 400


class TestStream:
    """Server-sent events."""

    def test_it_is_written_as_browsers_read_it(self) -> None:
        answer = client_of(failed_run()).get("/runs/r1/stream")
        assert answer.content_type == "text/event-stream; charset=utf-8"
        assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")
        frames = answer.text.split("\n\n")
        assert frames[0] == ": ok\nretry: 2000"
        assert frames[1].startswith('id: 0\nevent: state\ndata: {"number":0,"at":"2026-11-24T12:00:00Z"')
        assert [frame.split("\n")[1] for frame in frames[2:7]] == [
            "event: state",
            "event: step",
            "event: log",
            "event: step",
            "event: state",
        ]
        assert frames[7] == 'event: end\ndata: {"status":"failed"}'

    def test_it_resumes_by_header_or_query_and_the_header_wins(self) -> None:
        client = client_of(failed_run())
        by_query = client.get("/runs/r1/stream?last_event_id=4").text
        by_header = client.get("/runs/r1/stream?last_event_id=0", headers={"Last-Event-ID": "4"}).text
        assert by_query == by_header
        assert by_query.count("id: ") == 1

    @pytest.mark.parametrize(("quiet", "comments"), [(0.0, 1), (10.0, 0)])
    def test_silence_is_filled_with_comments(
        self, monkeypatch: pytest.MonkeyPatch, quiet: float, comments: int
    ) -> None:
        monkeypatch.setattr("app.http.streams.QUIET_SECONDS", quiet)
        hub = ScriptedHub(lambda: "timeout")
        text = client_of(FakeRuns(run_row()), hub=hub).get("/runs/r1/stream").text
        assert text.endswith("\n\n" + ": still here\n\n" * comments)
        assert text.count("still here") == comments

    def test_streams_leave_a_quarter_of_the_threads_free(self) -> None:
        app = make_app(World(runs=FakeRuns(run_row()), settings=FakeSettings(web_threads=4)))
        client = app.test_client()
        slots: Slots = app.extensions["ordinaut.streams"]
        opened = [client.get("/runs/r1/stream", buffered=False) for _ in range(3)]
        refused = client.get("/runs/r1/stream")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
        assert client.get("/runs/r1/wait?timeout=0").status_code == 503
        assert client.get("/runs/r1").status_code == 200
        opened.pop().close()
        assert client.get("/runs/r1/wait?timeout=0").status_code == 200
        for answer in opened:
            answer.close()
        assert slots.free == slots.most

    def test_a_refused_stream_takes_no_slot(self) -> None:
        app = make_app(World(settings=FakeSettings(web_threads=4)))
        for _ in range(5):
            assert app.test_client().get("/runs/none/stream").status_code == 404
        assert app.extensions["ordinaut.streams"].free == 3
