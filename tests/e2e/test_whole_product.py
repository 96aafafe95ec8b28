"""What a user does in the first hour, with every process running."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.client import HTTPResponse
from typing import Any

from tests.e2e.conftest import PATIENCE, Instance
from tests.fakes.http_target import HttpTarget
from tests.servers import wait_for

NOTE = {"id": "note", "uses": "log.write", "with": {"message": "Run ${run.id}"}}
EACH_SECOND = {"schedule_kind": "cron", "schedule_expr": "* * * * * *", "overlap": "allow"}


def test_a_task_of_every_second_fires_each_second_and_is_seen(ordinaut: Instance) -> None:
    task = ordinaut.task(NOTE, **EACH_SECOND)
    path = f"/tasks/{task['id']}"
    wait_for(
        lambda: ordinaut.call("GET", f"/runs?task_id={task['id']}&status=succeeded")["total"] >= 5,
        seconds=PATIENCE,
        what="five runs",
    )
    ordinaut.call("POST", path + "/pause")
    records = list(reversed(ordinaut.call("GET", path + "/occurrences?limit=200")["items"]))
    assert {one["outcome"] for one in records} == {"fired"}
    times = [datetime.fromisoformat(one["nominal_at"]) for one in records]
    assert times == [times[0] + timedelta(seconds=number) for number in range(len(times))]
    assert times[0] == datetime.fromisoformat(task["next_run"])
    for record in records:
        run = ordinaut.ended(record["run_id"])
        assert (run["status"], run["trigger"], run["nominal_at"]) == ("succeeded", "schedule", record["nominal_at"])
    logs = ordinaut.call("GET", f"/runs/{records[0]['run_id']}/logs")
    assert [line["message"] for line in logs["items"]] == [f"Run {records[0]['run_id']}"]
    why = ordinaut.call("GET", f"{path}/why?at={records[0]['nominal_at']}")
    assert records[0]["run_id"] in why["answer"] and "succeeded" in why["answer"]
    assert ordinaut.call("GET", f"/runs/task/{task['id']}/stats")["success_rate"] == 1.0


def test_a_real_tool_is_really_called(ordinaut: Instance, target: HttpTarget) -> None:
    call = {
        "id": "call",
        "uses": "http.request",
        "with": {"method": "POST", "url": target.url("/echo"), "json": {"a": 1}},
    }
    pick = {"uses": "data.transform", "with": {"expression": "status", "data": "${steps.call}"}, "save_as": "status"}
    run_id = ordinaut.run(ordinaut.task(call, pick, max_retries=0))
    run = ordinaut.ended(run_id)
    assert run["status"] == "succeeded", run["error"]
    (received,) = target.received
    assert json.loads(received["body"]) == {"a": 1}
    assert received["headers"]["idempotency-key"] == f"{run_id}:call"
    assert ordinaut.call("GET", f"/runs/{run_id}/steps")["steps"][1]["output"] == 200


def test_waiting_answers_as_soon_as_a_run_has_ended(ordinaut: Instance) -> None:
    began = time.monotonic()
    run = ordinaut.ended(ordinaut.run(ordinaut.task(NOTE)))
    assert run["status"] == "succeeded"
    assert time.monotonic() - began < 20


def hanging(target: HttpTarget) -> list[dict[str, Any]]:
    url = target.url("/hang")
    return [NOTE, {"id": "hang", "uses": "http.request", "with": {"method": "GET", "url": url}, "timeout_seconds": 60}]


def test_a_running_step_is_cancelled(ordinaut: Instance, target: HttpTarget) -> None:
    run_id = ordinaut.run(ordinaut.task(*hanging(target)))
    wait_for(lambda: target.received, seconds=PATIENCE, what="the step to call")
    answer = ordinaut.call("POST", f"/runs/{run_id}/cancel", expect=202)
    assert answer["details"] == {"run_id": run_id, "status": "running"}
    run = ordinaut.ended(run_id)
    assert (run["status"], run["success"]) == ("canceled", None)
    assert not target.release.is_set()
    # The worker goes on with other work.
    assert ordinaut.ended(ordinaut.run(ordinaut.task(NOTE)))["status"] == "succeeded"


def frames(answer: HTTPResponse) -> Iterator[dict[str, str]]:
    """Events and comments of a stream, each as its fields; a comment is under the empty name."""
    fields: dict[str, str] = {}
    for line in answer:
        name, _, value = line.decode().rstrip("\n").partition(":")
        if name or value:
            fields[name] = value.strip()
        elif fields:
            yield fields
            fields = {}


def test_a_stream_is_live_beats_and_resumes(ordinaut: Instance, target: HttpTarget) -> None:
    run_id = ordinaut.run(ordinaut.task(*hanging(target), max_retries=0))
    path = f"/runs/{run_id}/stream"
    seen: list[dict[str, str]] = []
    with ordinaut.answer("GET", path) as answer:
        assert answer.getheader("Content-Type", "").startswith("text/event-stream")
        began = time.monotonic()
        for frame in frames(answer):
            if frame.get("") == "still here":
                break
            seen.append(frame)
            began = time.monotonic()
        assert time.monotonic() - began < 15
    first = [frame["id"] for frame in seen if "id" in frame]
    assert first == [str(number) for number in range(len(first))] and len(first) >= 3
    with ordinaut.answer("GET", path, Last_Event_ID=first[1]) as answer:
        target.release.set()
        rest = list(frames(answer))
    assert rest[-1]["event"] == "end"
    second = [frame["id"] for frame in rest if "id" in frame]
    assert second == [str(number) for number in range(2, 2 + len(second))]
    assert second[: len(first) - 2] == first[2:] and len(second) > len(first) - 2


def test_two_live_side_by_side(ordinaut: Instance, another: Instance) -> None:
    another.start()
    task = ordinaut.task(NOTE, title="Only in the first")
    assert another.call("GET", "/tasks")["total"] == 0
    assert another.ended(another.run(another.task(NOTE)))["status"] == "succeeded"
    another.call("GET", f"/tasks/{task['id']}", expect=404)
    assert another.stop() == 0
    assert ordinaut.call("GET", "/health")["status"] == "healthy"
    assert ordinaut.ended(ordinaut.run(task))["status"] == "succeeded"


def test_sigterm_ends_everything_and_the_next_start_is_quick(another: Instance) -> None:
    another.start()
    task = another.task(NOTE, **EACH_SECOND)
    wait_for(lambda: another.call("GET", "/runs")["total"] >= 1, seconds=PATIENCE, what="a run")
    assert len(another.family()) >= 4
    began = time.monotonic()
    assert another.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 25
    assert another.family() == []
    began = time.monotonic()
    another.start()
    assert time.monotonic() - began < 20
    assert another.call("GET", f"/tasks/{task['id']}")["title"] == task["title"]
    another.call("POST", f"/tasks/{task['id']}/pause")
    for run in another.call("GET", "/runs?limit=200")["items"]:
        assert another.ended(run["id"])["status"] == "succeeded"
    assert another.stop(signal.SIGINT) == 0
    assert another.family() == []


def test_what_is_said_to_a_stranger_over_the_wire(ordinaut: Instance) -> None:
    for method, path, status in (("GET", "/nowhere", 404), ("DELETE", "/tasks", 405), ("GET", "/tasks/%ff", 400)):
        with ordinaut.answer(method, path) as answer:
            body = json.loads(answer.read())
            assert (answer.status, body["status"]) == (status, status)
            assert "Python" not in answer.getheader("Server", "") and "/" not in answer.getheader("Server", "")
    with ordinaut.answer("POST", "/tasks", {"title": "x" * 2_000_000}) as answer:
        assert answer.status == 413 and json.loads(answer.read())["error"] == "payload_too_large"


def test_chunks_that_make_no_sense_are_the_client_s_mistake(ordinaut: Instance) -> None:
    head = b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", ordinaut.port), PATIENCE) as connection:
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["details"]["field"] == "body"
