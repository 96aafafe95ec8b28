"""`events_demo`, as the founding document prints it, under the real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import requests
from simple_websocket import Client, ConnectionClosed

from tests.faults.stack import Stack
from tests.servers import Databases, ValkeyServer

HOME = "/ext/events_demo"


@pytest.fixture(scope="module")
def stack(databases: Databases, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One web process for all tests of this file, which use streams of their own."""
    folder = tmp_path_factory.mktemp("events_demo")
    stack = Stack(folder, database_url=databases.sqlite(folder / "ordinaut.db"), redis_url=valkey.url)
    yield stack.start("web").ready()
    stack.stop()


def publish(stack: Stack, stream: str, data: Any, **headers: str) -> requests.Response:
    url = f"http://127.0.0.1:{stack.port}{HOME}/publish/{stream}"
    text = json.dumps(data, ensure_ascii=False).encode()
    return requests.post(url, data=text, headers={"Content-Type": "application/json", **headers}, timeout=30)


def subscribe(stack: Stack, stream: str, **headers: str) -> requests.Response:
    url = f"http://127.0.0.1:{stack.port}{HOME}/subscribe/{stream}"
    return requests.get(url, stream=True, headers=headers, timeout=30)


def told(lines: Iterator[bytes]) -> list[bytes]:
    """The lines of the next event."""
    event: list[bytes] = []
    for line in lines:
        if line == b"" and event:
            return event
        if line and not line.startswith((b":", b"retry")):
            event.append(line)
    raise AssertionError("the stream ended")


def test_an_event_is_published_as_printed(stack: Stack) -> None:
    answer = publish(stack, "test", {"mesaj": "Salut Evenimente", "timestamp": "2025-08-26T10:00:00Z"})
    body = answer.json()
    assert answer.status_code == 200
    assert body == {
        "success": True,
        "stream": "test",
        "event_id": body["event_id"],
        "message": "Event published successfully",
    }
    milliseconds, _, number = body["event_id"].partition("-")
    assert len(milliseconds) == 13 and number.isdigit()
    romanian = publish(stack, "test", {}, **{"Accept-Language": "ro"}).json()
    assert romanian["message"] == "Eveniment publicat cu succes"


def test_a_reader_gets_the_line_as_printed_and_goes_on_where_it_was(stack: Stack) -> None:
    with closing(subscribe(stack, "words")) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines).startswith(b":")
        first = publish(stack, "words", {"mesaj": "Salut Evenimente"}).json()["event_id"]
        publish(stack, "other.words", {"mesaj": "not for them"})
        data = '{"stream": "words", "id": "' + first + '", "data": {"mesaj": "Salut Evenimente"}}'
        assert told(lines) == [f"id: {first}".encode(), f"data: {data}".encode()]
    second = publish(stack, "words", {"mesaj": "Alt eveniment"}).json()["event_id"]
    with closing(subscribe(stack, "words", **{"Last-Event-ID": first})) as answer:
        event = told(answer.iter_lines())
    assert event[0] == f"id: {second}".encode()
    assert json.loads(event[1].removeprefix(b"data: "))["data"] == {"mesaj": "Alt eveniment"}


def test_a_websocket_does_both(stack: Stack) -> None:
    with closing(_socket(stack, "room")) as one, closing(_socket(stack, "room")) as two:
        for socket in (one, two):
            socket.send("not json")
            assert json.loads(socket.receive(timeout=15))["error"] == "bad_request"
        one.send(json.dumps({"mesaj": "Salut"}))
        heard = [json.loads(socket.receive(timeout=15)) for socket in (one, two)]
    assert heard[0] == heard[1]
    assert heard[0]["stream"] == "room"
    assert heard[0]["data"] == {"mesaj": "Salut"}


def test_a_websocket_goes_on_where_it_was(stack: Stack) -> None:
    first = publish(stack, "again", {"n": 1}).json()["event_id"]
    publish(stack, "again", {"n": 2})
    with closing(_socket(stack, f"again?last_event_id={first}")) as socket:
        # This client sees what came along with the handshake only when more comes: an answer to this.
        socket.send("not json")
        heard = [json.loads(socket.receive(timeout=15)) for _ in range(2)]
    assert {"n": 2} in [one.get("data") for one in heard]


def test_a_websocket_to_no_stream_is_closed(stack: Stack) -> None:
    socket = _socket(stack, "no..stream")
    # This client loses the code where the close comes along with the handshake.
    with pytest.raises(ConnectionClosed):
        socket.receive(timeout=15)


def _socket(stack: Stack, stream: str) -> Client:
    return Client(f"ws://127.0.0.1:{stack.port}{HOME}/ws/{stream}")


@pytest.mark.parametrize(
    ("stream", "data", "field"),
    [
        ("test", ["not an object"], "body"),
        ("test", None, "body"),
        ("no..stream", {}, "stream"),
        ("a" * 101, {}, "stream"),
        ("w*ld", {}, "stream"),
    ],
)
def test_what_cannot_be_published_is_refused(stack: Stack, stream: str, data: Any, field: str) -> None:
    answer = publish(stack, stream, data)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert answer.json()["details"]["field"] == field


def test_a_topic_of_the_platform_is_not_for_others(stack: Stack) -> None:
    answer = publish(stack, "task.created", {})
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")


@pytest.mark.parametrize("last_id", ["yesterday", "1-", "-1", "1-1-1"])
def test_a_stream_goes_on_only_after_an_event(stack: Stack, last_id: str) -> None:
    with closing(subscribe(stack, "test", **{"Last-Event-ID": last_id})) as answer:
        assert (answer.status_code, answer.json()["details"]["field"]) == (400, "Last-Event-ID")
